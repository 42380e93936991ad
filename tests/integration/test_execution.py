"""A real Kubernetes API server: approved plans are carried out with their class's own token alone.

The rights are those of the chart; each token is one of the account that the chart makes for the
class. What is planned, approved and refused goes through the product's own executor.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from execution_site import FIRST, SECOND, Site
from incident_scenes import gpu_of, incident_about, rollout
from integration import products
from integration.clusters import CHART
from rigs import kubernetes
from rigs.kubernetes import ControlPlane

from service.execution.calls import object_path
from service.execution.cluster import KubernetesApi, Request
from vocabulary import failure_modes as f
from vocabulary.actions import ActionClass
from vocabulary.entities import Entity, EntityKind
from vocabulary.errors import ConflictError, RequestRefused

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PODS = "/api/v1/namespaces/prod/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/prod/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/prod/replicasets"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
IN_RIG = (ActionClass.PODS, ActionClass.SCALE, ActionClass.ROLLOUTS, ActionClass.NODES)
"""The rig is 1.20, which has no autoscaling/v2."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster with the accounts and rights that the chart gives to every class."""
    with products.or_skip(), kubernetes.serve() as running:
        for namespace in ("sre", "prod", "other"):
            running.done("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for one in _execution_documents():
            place = one["metadata"].get("namespace", "")
            base = f"{RBAC}/namespaces/{place}" if place else RBAC
            if one["kind"] == "ServiceAccount":
                base = f"/api/v1/namespaces/{place}"
            running.done("POST", f"{base}/{one['kind'].lower()}s", one)
        yield running


def _execution_documents() -> list[dict[str, Any]]:
    told = {"enabled": True, "namespaces": ["prod"],
            "people": {"secret": "approvers", "names": ["one"]},
            "classes": {group.value: True for group in ActionClass}}  # fmt: skip
    texts = helm_python.Chart.load(str(CHART)).render(
        {"execution": told}, name="tidegauge", namespace="sre"
    )
    made = next(text for path, text in texts.items() if path.endswith("/execution.yaml"))
    return [one for one in yaml.safe_load_all(made) if one and one["kind"] != "Secret"]


@pytest.fixture
def site(plane: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    """Four replicas of a Deployment on nodes of their own, one of them in trouble."""
    accounts = {}
    for group in ActionClass:
        file = tmp_path / f"{group.value}.token"
        file.write_text(plane.token_of("sre", f"tidegauge-execute-{group.value}"))
        accounts[group.value] = str(file)
    made = Site(tmp_path / "control.sqlite")
    api = KubernetesApi(plane.url, plane.ca_file, accounts, 10.0)
    made.cluster = api  # type: ignore[assignment]
    made.settings = replace(made.settings, accounts=accounts, most_share_per_day=1.0)
    made.world.replicas = [_run(plane, one) for one in made.pool]
    made.pool = list(made.world.replicas)
    plane.done("POST", DEPLOYMENTS, _deployment("vllm:v2"))
    made.keep(incident_about(
        f.ENGINE_STALLED, made.pool[0].entity, gpu_of(made.pool[0]), changes=(rollout(),)
    ))  # fmt: skip
    made.executor = made.begin()
    yield made
    assert made.whole() == ""
    made.records.close()
    api.close()
    for path in (PODS, DEPLOYMENTS, REPLICA_SETS, "/api/v1/nodes"):
        plane.done("DELETE", f"{path}?gracePeriodSeconds=0")


def _run(plane: ControlPlane, one: Any) -> Any:
    """A node and a pod for this replica; the server gives the uid that its id is made of."""
    plane.done("POST", "/api/v1/nodes", {"metadata": {"name": one.node}})
    spec = {"nodeName": one.node, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "vllm", "image": "vllm:v2"}]}  # fmt: skip
    about = {"name": one.pod, "labels": {"serving": "true"}}
    pod = plane.done("POST", PODS, {"metadata": about, "spec": spec})
    name = f"east/prod/{pod['metadata']['uid']}/engine"
    return replace(one, entity=Entity(EntityKind.REPLICA, name, one.pod))


def _deployment(image: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [
        {"name": "vllm", "image": image, "env": [{"name": "HF_TOKEN", "value": "hf_secret"}]}
    ]}}  # fmt: skip
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": "chat"}}, "template": template}
    about = {"name": "chat", "annotations": {"deployment.kubernetes.io/revision": "2"}}
    return {"metadata": about, "spec": spec}


def there(plane: ControlPlane, path: str) -> bool:
    return plane.ask("GET", path)[0] == 200


def test_a_pod_is_ended_after_a_dry_run_that_ended_nothing(plane: ControlPlane, site: Site) -> None:
    plan = site.approved("R02")
    assert there(plane, f"{PODS}/chat-0"), "a dry run ends nothing"
    told = site.executor.execute(plan, SECOND)
    assert (told["state"], told["answer"][:2]) == ("executed", "20")
    assert not there(plane, f"{PODS}/chat-0")
    assert there(plane, f"{PODS}/chat-1")
    assert site.executor.execute(plan, SECOND)["again"] is True


def test_a_disruption_budget_that_does_not_allow_it_is_held_by_the_server(
    plane: ControlPlane, site: Site
) -> None:
    # of a pod that never ran no budget is asked
    plane.done("PATCH", f"{PODS}/chat-0/status", {"status": {"phase": "Running"}})
    plan = site.approved("R02")
    budgets = "/apis/policy/v1beta1/namespaces/prod/poddisruptionbudgets"
    spec = {"minAvailable": 4, "selector": {"matchLabels": {"serving": "true"}}}
    plane.done("POST", budgets, {"metadata": {"name": "chat"}, "spec": spec})
    told = site.executor.execute(plan, SECOND)
    assert (told["state"], told["answer"].split(" ")[0]) == ("failed", "429")
    assert there(plane, f"{PODS}/chat-0")
    with pytest.raises(RequestRefused, match=r"no plan: .*429"):
        site.plan("R02")
    plane.done("DELETE", f"{budgets}/chat")


def test_a_pod_is_taken_out_of_rotation(plane: ControlPlane, site: Site) -> None:
    site.executor.execute(site.approved("R01"), FIRST)
    labels = plane.done("GET", f"{PODS}/chat-0")["metadata"]["labels"]
    assert labels == {"serving": "quarantined"}


def test_a_node_is_cordoned_and_shows_it(plane: ControlPlane, site: Site) -> None:
    plan = site.plan("R09")
    path = "/api/v1/nodes/node-chat-0"
    assert "unschedulable" not in plane.done("GET", path)["spec"], "a dry run writes nothing"
    told = site.executor.execute(plan, FIRST)
    assert (told["state"], told["check"]) == ("cured", "nodes node-chat-0 shows it")
    assert plane.done("GET", path)["spec"]["unschedulable"] is True
    assert "+  unschedulable: true" in told["diff"]


def test_a_deployment_is_scaled_from_what_it_was_planned_for(
    plane: ControlPlane, site: Site
) -> None:
    told = site.executor.plan(site.incident, site.card("R04"), FIRST)
    assert "-  replicas: 4\n+  replicas: 5" in told["diff"]
    assert site.executor.execute(told["plan"], FIRST)["state"] == "executed"
    assert plane.done("GET", f"{DEPLOYMENTS}/chat")["spec"]["replicas"] == 5


def test_what_was_scaled_by_somebody_else_meanwhile_is_left_alone(
    plane: ControlPlane, site: Site
) -> None:
    plan = site.approved("R04")
    plane.done("PATCH", f"{DEPLOYMENTS}/chat", {"spec": {"replicas": 3}})
    with pytest.raises(RequestRefused, match="made for 4 replicas, now 3: make a new one"):
        site.executor.execute(plan, FIRST)
    assert plane.done("GET", f"{DEPLOYMENTS}/chat")["spec"]["replicas"] == 3


def test_a_rollout_is_paused(plane: ControlPlane, site: Site) -> None:
    site.world.replicas[1] = replace(site.world.replicas[1], version="0.33.0")
    assert site.executor.execute(site.approved("R24"), FIRST)["state"] == "executed"
    assert plane.done("GET", f"{DEPLOYMENTS}/chat")["spec"]["paused"] is True


def test_a_rollback_takes_the_former_revision_whole(plane: ControlPlane, site: Site) -> None:
    owner = plane.done("GET", f"{DEPLOYMENTS}/chat")["metadata"]["uid"]
    for number, image in ((1, "vllm:v1"), (2, "vllm:v2")):
        spec = _deployment(image)["spec"]
        spec["template"]["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
        plane.done("POST", REPLICA_SETS, {"spec": spec, "metadata": {
            "name": f"chat-{number}", "labels": {"app": "chat"},
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat",
                                 "uid": owner, "controller": True}],
        }})  # fmt: skip
    told = site.executor.plan(site.incident, site.card("R03"), FIRST)
    assert re.search(r"^\+ .*image: vllm:v1$", told["diff"], re.MULTILINE)
    assert "hf_secret" not in str(told)
    site.executor.approve(told["plan"], SECOND)
    assert site.executor.execute(told["plan"], FIRST)["state"] == "executed"
    template = plane.done("GET", f"{DEPLOYMENTS}/chat")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert (container["image"], container["env"][0]["value"]) == ("vllm:v1", "hf_secret")
    assert template["metadata"]["labels"] == {"app": "chat"}


def test_a_pod_of_the_same_name_that_came_meanwhile_is_not_ended(
    plane: ControlPlane, site: Site
) -> None:
    plan = site.approved("R02")
    plane.done("DELETE", f"{PODS}/chat-0?gracePeriodSeconds=0")
    with pytest.raises(RequestRefused, match="404"):
        site.executor.execute(plan, FIRST)
    spec = {"containers": [{"name": "vllm", "image": "vllm:v2"}]}
    plane.done("POST", PODS, {"metadata": {"name": "chat-0"}, "spec": spec})
    with pytest.raises(RequestRefused, match="another one than was seen"):
        site.executor.execute(plan, FIRST)
    assert there(plane, f"{PODS}/chat-0")


@pytest.mark.parametrize("number", ["R02", "R04", "R09", "R24"])
def test_the_token_of_another_class_is_denied_and_nothing_changes(
    plane: ControlPlane, site: Site, number: str
) -> None:
    call = site.card(number).call
    assert call is not None
    before = plane.done("GET", object_path(call))
    real = site.cluster
    for other in IN_RIG:
        if other is call.group:
            continue
        crossed = {**real.accounts, call.group.value: real.accounts[other.value]}  # type: ignore[attr-defined]
        site.cluster = KubernetesApi(plane.url, plane.ca_file, crossed, 10.0)  # type: ignore[assignment]
        site.executor = site.begin()
        with pytest.raises((RequestRefused, ConflictError), match=r"no right to .*403"):
            site.plan(number)
        site.cluster.close()  # type: ignore[attr-defined]
    site.cluster = real
    assert plane.done("GET", object_path(call)) == before


def test_a_class_may_do_what_it_is_for_and_nothing_beside(plane: ControlPlane, site: Site) -> None:
    merge = "application/merge-patch+json"
    tries: list[tuple[str, str, str]] = [
        ("DELETE", "/api/v1/namespaces/other/pods/x", ""),
        ("DELETE", "/api/v1/nodes/node-chat-1", ""),
        ("DELETE", f"{DEPLOYMENTS}/chat", ""),
        ("GET", "/api/v1/namespaces/prod/secrets", ""),
        ("GET", PODS, ""),
        ("DELETE", PODS, ""),
        ("DELETE", f"{PODS}/chat-1", ""),
        ("PATCH", f"{PODS}/chat-1/status", "{}"),
        ("PATCH", "/api/v1/nodes/node-chat-1/status", "{}"),
        ("PATCH", "/apis/apps/v1/namespaces/other/deployments/chat", "{}"),
    ]
    for group in IN_RIG:
        for method, path, body in tries:
            answer = site.cluster.ask(group, Request(method, path, body, merge))
            assert answer.status == 403, f"{group.value} may {method} {path}"


def test_a_right_that_was_taken_away_after_the_plan_is_a_failure_that_is_told(
    plane: ControlPlane, site: Site
) -> None:
    plan = site.plan("R09")
    place = f"{RBAC}/clusterrolebindings/tidegauge-execute-nodes-sre"
    binding = plane.done("GET", place)
    plane.done("DELETE", place)
    with pytest.raises(RequestRefused, match=r"live state: .*no right to nodes"):
        site.executor.execute(plan, FIRST)
    del binding["metadata"]["resourceVersion"]
    plane.done("POST", f"{RBAC}/clusterrolebindings", binding)
