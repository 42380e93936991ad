"""Clusters that tests drive: a real API server with our chart's rights, and the fake one beside it.

What is done here is what schedulers, kubelets and operators do, through the same requests.
"""

from pathlib import Path
from typing import Any, Protocol

import helm_python
import yaml
from fake_api_server import FakeApiServer, pod_body
from rigs.kubernetes import ControlPlane

from service.kubernetes.api_server import ApiServer, api_server

CHART = Path(__file__).resolve().parents[2] / "deploy" / "chart" / "tidegauge"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLACES = {
    "ServiceAccount": "/api/v1/namespaces/sre/serviceaccounts",
    "Role": f"{RBAC}/namespaces/sre/roles",
    "RoleBinding": f"{RBAC}/namespaces/sre/rolebindings",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}
PODS = "/api/v1/namespaces/llm/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/llm/deployments"
SCALERS = "/apis/autoscaling/v1/namespaces/llm/horizontalpodautoscalers"


def chart_documents() -> list[dict[str, Any]]:
    texts = helm_python.Chart.load(str(CHART)).render({}, name="tidegauge", namespace="sre")
    return [
        document
        for path, text in sorted(texts.items()) if path.endswith(".yaml")
        for document in yaml.safe_load_all(text) if document
    ]  # fmt: skip


def install(plane: ControlPlane) -> None:
    """Create the namespaces that the tests use and every right that the chart asks for."""
    for namespace in ("sre", "llm"):
        plane.done("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    for kind, place in PLACES.items():
        for document in chart_documents():
            if document["kind"] == kind:
                plane.done("POST", place, document)


def account_of(plane: ControlPlane, folder: Path, name: str) -> ApiServer:
    """The API as a pod of that service account finds it: environment, token and authority."""
    (folder / "token").write_text(plane.token_of("sre", name), encoding="ascii")
    (folder / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    host, _, port = plane.url.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    found = api_server("on", environ, folder)
    assert found is not None
    return found


def put(plane: ControlPlane, name: str, node: str = "n1", image: str = "vllm:v1") -> None:
    """Create a pod; no node means that nobody has bound it yet."""
    spec: dict[str, Any] = {"containers": [{"name": "vllm", "image": image}]}
    if node:
        spec["nodeName"] = node
    plane.done("POST", PODS, {"metadata": {"name": name}, "spec": spec})


def report(plane: ControlPlane, name: str, **status: Any) -> None:
    """Say how a pod is, as its kubelet would."""
    plane.done("PATCH", f"{PODS}/{name}/status", {"status": status})


def container(restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": "vllm", "ready": True, "restartCount": restarts, "image": "vllm:v1",
            "imageID": "", "containerID": f"containerd://{'c' * 64}", **more}  # fmt: skip


def end(plane: ControlPlane, name: str) -> None:
    plane.done("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")


def serve_a_model(plane: ControlPlane) -> None:
    """A node with a GPU, a Deployment that serves on it, and an autoscaler (of 1.20: v1)."""
    about = {"metadata": {"name": "gpu-1"}}
    plane.done("POST", "/api/v1/nodes", about)
    plane.done("PATCH", "/api/v1/nodes/gpu-1/status", {"status": {
        "capacity": {"nvidia.com/gpu": "1"}, "allocatable": {"nvidia.com/gpu": "1"},
    }})  # fmt: skip
    template = {
        "metadata": {"labels": {"app": "chat"}},
        "spec": {"containers": [{
            "name": "vllm", "image": "vllm/vllm-openai:v1",
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }]},
    }  # fmt: skip
    selector = {"matchLabels": {"app": "chat"}}
    plane.done("POST", DEPLOYMENTS, {"metadata": {"name": "chat"}, "spec": {
        "replicas": 2, "selector": selector, "template": template,
    }})  # fmt: skip
    goal = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    scaler = {"scaleTargetRef": goal, "minReplicas": 1, "maxReplicas": 3}
    plane.done("POST", SCALERS, {"metadata": {"name": "chat"}, "spec": scaler})


def serve_no_more(plane: ControlPlane) -> None:
    """Take all of that away, every pod, and every event."""
    for path in (f"{DEPLOYMENTS}/chat", f"{SCALERS}/chat", "/api/v1/nodes/gpu-1"):
        plane.done("DELETE", path)
    plane.done("DELETE", f"{PODS}?gracePeriodSeconds=0")
    plane.done("DELETE", "/api/v1/namespaces/llm/events")


def bad_day(plane: ControlPlane) -> None:
    """What operators, autoscalers, schedulers and kubelets do on a bad day."""
    image = [{"name": "vllm", "image": "vllm/vllm-openai:v2",
              "resources": {"limits": {"nvidia.com/gpu": "1"}}}]  # fmt: skip
    spec = {"replicas": 3, "template": {"spec": {"containers": image}}}
    plane.done("PATCH", f"{DEPLOYMENTS}/chat", {"spec": spec})
    plane.done("PATCH", f"{SCALERS}/chat", {"spec": {"maxReplicas": 9}})
    plane.done("PATCH", "/api/v1/nodes/gpu-1", {"spec": {"unschedulable": True}})
    needy = {"name": "vllm", "image": "vllm:v1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    plane.done("POST", PODS, {"metadata": {"name": "late"}, "spec": {"containers": [needy]}})
    report(plane, "late", conditions=[{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU",
    }])  # fmt: skip
    about = {"kind": "Pod", "namespace": "llm", "name": "chat-1", "uid": "u-1",
             "fieldPath": "spec.containers{vllm}"}  # fmt: skip
    message = "Container vllm failed liveness probe, will be restarted"
    plane.done("POST", "/api/v1/namespaces/llm/events", {
        "metadata": {"generateName": "kill-"}, "involvedObject": about, "reason": "Killing",
        "message": message, "count": 1, "lastTimestamp": "2026-11-25T10:00:00Z",
    })  # fmt: skip


class Cluster(Protocol):
    """Something with an API server, driven in the same words whether it is real or not."""

    api: ApiServer

    def create(self, name: str, node: str) -> None: ...
    def set_phase(self, name: str, phase: str) -> None: ...
    def delete(self, name: str) -> None: ...
    def forget(self) -> None:
        """Lose the history up to now."""

    def pass_time(self) -> None:
        """Let the moment come at which the server sends a bookmark."""


class FakeCluster:
    def __init__(self, server: FakeApiServer, folder: Path) -> None:
        (folder / "fake-token").write_text(server.token, encoding="ascii")
        self.server = server
        self.api = ApiServer(server.url, folder / "fake-token", None, 5.0, 4)
        self._nodes: dict[str, str] = {}
        self._phases: dict[str, str] = {}

    def create(self, name: str, node: str) -> None:
        self._nodes[name] = node
        self.set_phase(name, "Pending")

    def set_phase(self, name: str, phase: str) -> None:
        self._phases[name] = phase
        self.server.put(pod_body(name, node=self._nodes[name], phase=phase))

    def delete(self, name: str) -> None:
        """A pod of a node is marked first, though it is granted no time."""
        body = pod_body(name, node=self._nodes[name], phase=self._phases[name])
        body["metadata"]["deletionTimestamp"] = "2026-11-25T10:00:00Z"
        self.server.put(body)
        self.server.delete(f"uid-{name}")

    def forget(self) -> None:
        self.server.forget()

    def pass_time(self) -> None:
        self.server.bookmark()


class RealCluster:
    def __init__(self, plane: ControlPlane, agent: ApiServer) -> None:
        self.plane = plane
        self.api = ApiServer(agent.url, agent.token_file, agent.ca_file, 5.0, 4)

    def create(self, name: str, node: str) -> None:
        put(self.plane, name, node)

    def set_phase(self, name: str, phase: str) -> None:
        report(self.plane, name, phase=phase)

    def delete(self, name: str) -> None:
        end(self.plane, name)

    def forget(self) -> None:
        self.plane.compact()
        self.plane.stop()
        self.plane.start()

    def pass_time(self) -> None:
        """It sends one two seconds before it ends a watch that missed something."""
