"""A small Kubernetes API: get, list and watch of any kind, as a real one answers.

Versions, bookmarks, 410 for history that was compacted, paged lists, field and label selectors (an
object that stops matching is DELETED for that watch, as in Kubernetes), 403 by kind, 404 for kinds
it does not serve, tokens.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
EVENTS = "/api/v1/events"
CONFIG_MAPS = "/api/v1/configmaps"
DEPLOYMENTS = "/apis/apps/v1/deployments"
STATEFUL_SETS = "/apis/apps/v1/statefulsets"
HPAS = "/apis/autoscaling/v2/horizontalpodautoscalers"
HPAS_V1 = "/apis/autoscaling/v1/horizontalpodautoscalers"
SCALED_OBJECTS = "/apis/keda.sh/v1alpha1/scaledobjects"
LEADER_WORKER_SETS = "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets"
BUILT_IN = (PODS, NODES, EVENTS, CONFIG_MAPS, DEPLOYMENTS, STATEFUL_SETS, HPAS, HPAS_V1)
Body = dict[str, Any]


@dataclass(frozen=True)
class Happening:
    """One write, as the history keeps it."""

    version: int
    path: str
    before: Body | None
    after: Body | None
    bookmark: bool = False


class FakeApiServer:
    """Holds objects and their history; `with` starts it on a free port of the loopback."""

    def __init__(self) -> None:
        self.token = "first"
        self.served = set(BUILT_IN)
        """Paths of kinds that are there; custom ones are added by tests that install them."""
        self.forbidden: set[str] = set()
        """Paths of kinds that the token may not read."""
        self.asked: list[dict[str, str]] = []
        self.version = 10
        self._objects: dict[str, dict[str, Body]] = {}
        self._history: list[Happening] = []
        self._oldest = 0
        self._cuts = 0
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, body: Mapping[str, Any], path: str = PODS) -> None:
        """Create or change an object."""
        fresh = json.loads(json.dumps(body))
        self._happen(path, fresh["metadata"]["uid"], fresh)

    def delete(self, uid: str, path: str = PODS) -> None:
        self._happen(path, uid, None)

    def bookmark(self, path: str = PODS) -> None:
        """Say how far the watch has come, as the API does when nothing else happens."""
        with self._news:
            self.version += 1
            self._history.append(Happening(self.version, path, None, None, bookmark=True))
            self._news.notify_all()

    def forget(self) -> None:
        """Compact the history: whoever watches from before now is answered 410."""
        with self._news:
            self._oldest, self._history = self.version, []

    def cut(self) -> None:
        """End every watch under way, as a server does that restarts."""
        with self._news:
            self._cuts += 1
            self._news.notify_all()

    def watches(self, path: str = PODS) -> list[dict[str, str]]:
        return [one for one in self.asked if one.get("watch") and one["path"] == path]

    def lists(self, path: str = PODS) -> list[dict[str, str]]:
        return [one for one in self.asked if not one.get("watch") and one["path"] == path]

    def _happen(self, path: str, uid: str, after: Body | None) -> None:
        with self._news:
            self.version += 1
            held = self._objects.setdefault(path, {})
            before = held.get(uid)
            if after is None:
                del held[uid]
            else:
                after["metadata"]["resourceVersion"] = str(self.version)
                held[uid] = after
            self._history.append(Happening(self.version, path, before, after))
            self._news.notify_all()

    def single(self, path: str) -> Body | None:
        """The object at `…/namespaces/NS/KIND/NAME`, None where there is none."""
        found = re.fullmatch(r"(/.+)/namespaces/([^/]+)/([^/]+)/([^/]+)", path)
        if found is None:
            return None
        base, namespace, kind, name = (unquote(part) for part in found.groups())
        with self._news:
            for one in self._objects.get(f"{base}/{kind}", {}).values():
                meta = one["metadata"]
                if (meta.get("namespace"), meta["name"]) == (namespace, name):
                    return one
        return None

    def listing(self, path: str, query: Mapping[str, str]) -> Body:
        """Page by page where `limit` asks for that; `continue` is the place to go on."""
        with self._news:
            items = [o for o in self._objects.get(path, {}).values() if _matches(o, query)]
            version = str(self.version)
        start = int(query.get("continue", "0"))
        paged = "limit" in query and query.get("resourceVersion") != "0"
        end = start + int(query["limit"]) if paged else len(items)
        meta = {"resourceVersion": version}
        if end < len(items):
            meta["continue"] = str(end)
        return {"kind": "List", "metadata": meta, "items": items[start:end]}

    def follow(self, path: str, query: Mapping[str, str]) -> Iterator[Body]:
        version = int(query["resourceVersion"])
        if version < self._oldest:
            status = {"kind": "Status", "code": 410, "message": "too old resource version"}
            yield {"type": "ERROR", "object": status}
            return
        cuts = self._cuts
        while news := self._wait(version, cuts, min(10.0, float(query["timeoutSeconds"]))):
            for one in news:
                version = one.version
                if one.path == path and (event := _event(one, query)) is not None:
                    yield event

    def _wait(self, version: int, cuts: int, seconds: float) -> list[Happening]:
        """What happened after *version* as soon as something did; nothing when cut or too late."""
        with self._news:
            self._news.wait_for(lambda: self._cuts != cuts or self._after(version), seconds)
            return [] if self._cuts != cuts else self._after(version)

    def _after(self, version: int) -> list[Happening]:
        return [one for one in self._history if one.version > version]


def _event(one: Happening, query: Mapping[str, str]) -> Body | None:
    """What a watch with these selectors is told of it."""
    if one.bookmark:
        meta = {"resourceVersion": str(one.version)}
        wanted = query.get("allowWatchBookmarks") == "true"
        return {"type": "BOOKMARK", "object": {"metadata": meta}} if wanted else None
    was = one.before is not None and _matches(one.before, query)
    now = one.after is not None and _matches(one.after, query)
    if not was and not now:
        return None
    kind = "ADDED" if not was else "MODIFIED" if now else "DELETED"
    shown = one.after if one.after is not None else one.before
    assert shown is not None
    meta = {**shown["metadata"], "resourceVersion": str(one.version)}
    return {"type": kind, "object": {**shown, "metadata": meta}}


def _matches(body: Body, query: Mapping[str, str]) -> bool:
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        found = re.fullmatch(r"([\w.]+)(!=|==?)(.*)", term)
        assert found is not None, term
        value: Any = body
        for part in found[1].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if (str(value or "") == found[3]) is (found[2] == "!="):
            return False
    labels = body["metadata"].get("labels") or {}
    terms = filter(None, query.get("labelSelector", "").split(","))
    return all(labels.get(key) == value for key, _, value in (one.partition("=") for one in terms))


def _handler(api: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = parse_qs(parts.query, keep_blank_values=True)
            query = {key: values[0] for key, values in given.items()}
            kind = re.sub(r"/namespaces/[^/]+(/[^/]+)/[^/]+$", r"\1", parts.path)
            api.asked.append({**query, "path": parts.path})
            if self.headers.get("Authorization") != f"Bearer {api.token}":
                self.send_error(401)
            elif kind in api.forbidden:
                self.send_error(403)
            elif kind not in api.served:
                self.send_error(404)
            elif kind != parts.path:
                self.answer(api.single(parts.path))
            elif query.get("watch") != "1":
                self.answer(api.listing(parts.path, query))
            else:
                self.stream(api.follow(parts.path, query))

        def answer(self, body: Body | None) -> None:
            if body is None:
                self.send_error(404)
                return
            self.begin()
            self.wfile.write(json.dumps(body).encode())

        def stream(self, events: Iterator[Body]) -> None:
            self.begin()
            for event in events:
                try:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()
                except OSError:
                    return

        def begin(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def pod_body(name: str, uid: str = "", **more: Any) -> dict[str, Any]:
    """A running vLLM pod with one GPU, as the API writes it; keywords change what they name."""
    container = {
        "name": "vllm",
        "image": more.get("image", "reg.example:5000/vllm/vllm-openai:v0.33.0"),
        "ports": more.get("ports", [{"name": "metrics", "containerPort": 8000}]),
        "resources": {"limits": more.get("limits", {"nvidia.com/gpu": "1"})},
        "command": more.get("command", []),
    }
    status = {"name": "vllm", "restartCount": more.get("restarts", 0),
              "containerID": f"containerd://{'c' * 60}0001",
              "lastState": more.get("last", {}), "state": more.get("state", {})}  # fmt: skip
    return {
        "metadata": {
            "name": name, "namespace": "llm", "uid": uid or f"uid-{name}",
            "annotations": more.get("annotations", {}),
            "labels": {"pod-template-hash": "abc12", **more.get("labels", {})},
            "ownerReferences": more.get(
                "owners", [{"kind": "ReplicaSet", "name": "chat-abc12", "controller": True}]
            ),
        },
        "spec": {"nodeName": more.get("node", "n1"), "containers": [container],
                 "hostNetwork": more.get("host_network", False)},
        "status": {"phase": more.get("phase", "Running"), "reason": more.get("reason", ""),
                   "message": more.get("message", ""), "podIP": more.get("ip", "10.1.0.5"),
                   "hostIP": "10.0.0.1", "containerStatuses": [status],
                   "conditions": more.get("conditions", [])},
    }  # fmt: skip


def deployment_body(name: str = "chat", **more: Any) -> Body:
    """A Deployment of vLLM pods with a GPU each; keywords change what they name."""
    container = {
        "name": "vllm",
        "image": more.get("image", "vllm/vllm-openai:v0.32.0"),
        "args": more.get("args", ["--model", "qwen3", "--max-num-seqs=256"]),
        "env": more.get("env", [{"name": "HF_HOME", "value": "/models"}]),
        "envFrom": more.get("env_from", []),
        "resources": {"limits": more.get("limits", {"nvidia.com/gpu": "1"})},
    }
    return {
        "metadata": {"name": name, "namespace": "llm", "uid": f"uid-deploy-{name}",
                     "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x"}},
        "spec": {
            "replicas": more.get("replicas", 2),
            "paused": more.get("paused", False),
            "template": {
                "metadata": {"labels": more.get("labels", {"app": name}),
                             "annotations": more.get("annotations", {})},
                "spec": {"containers": [container], "volumes": more.get("volumes", []),
                         "nodeSelector": more.get("node_selector", {})},
            },
        },
    }  # fmt: skip


def node_body(name: str = "n1", **more: Any) -> Body:
    """A ready GPU node; keywords change what they name."""
    return {
        "metadata": {"name": name, "uid": f"uid-node-{name}", "labels": more.get("labels", {})},
        "spec": {"unschedulable": more.get("cordoned", False), "taints": more.get("taints", [])},
        "status": {
            "capacity": more.get("capacity", {"cpu": "64", "nvidia.com/gpu": "8"}),
            **({"allocatable": more["allocatable"]} if "allocatable" in more else {}),
            "conditions": [{"type": "Ready", "status": more.get("ready", "True"),
                            "reason": more.get("why", "KubeletReady")}],
            "nodeInfo": {"kubeletVersion": more.get("kubelet", "v1.33.1"),
                         "kernelVersion": more.get("kernel", "6.8.0"),
                         "bootID": more.get("boot", "boot-1")},
        },
    }  # fmt: skip


def hpa_body(target: str = "chat", **more: Any) -> Body:
    """A HorizontalPodAutoscaler of autoscaling/v2."""
    return {
        "metadata": {"name": target, "namespace": "llm", "uid": f"uid-hpa-{target}"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": target},
                 "minReplicas": more.get("least", 1), "maxReplicas": more.get("most", 4),
                 "metrics": more.get("metrics", [])},
        "status": {"desiredReplicas": more.get("desired", 2),
                   "conditions": more.get("conditions", [])},
    }  # fmt: skip


def event_body(pod: str, message: str, **more: Any) -> Body:
    """An event of the kubelet about a container of *pod*."""
    return {
        "metadata": {"name": f"{pod}.1", "namespace": "llm", "uid": more.get("uid", "uid-event")},
        "involvedObject": {"kind": "Pod", "namespace": "llm", "name": pod, "uid": f"uid-{pod}",
                           "fieldPath": "spec.containers{vllm}"},
        "reason": more.get("reason", "Killing"),
        "message": message,
        "count": more.get("count", 1),
        "lastTimestamp": more.get("at", "1970-01-01T00:05:00Z"),
    }  # fmt: skip


def config_map_body(name: str, data: Mapping[str, str]) -> Body:
    """A config map."""
    return {"metadata": {"name": name, "namespace": "llm", "uid": f"uid-cm-{name}"},
            "data": dict(data)}  # fmt: skip
