"""What is done to a cluster, seen through a real HTTP server and told once: over restarts too."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_api_server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    HPAS_V1,
    LEADER_WORKER_SETS,
    NODES,
    SCALED_OBJECTS,
    STATEFUL_SETS,
    FakeApiServer,
    config_map_body,
    deployment_body,
    event_body,
    hpa_body,
    node_body,
    pod_body,
)

from service.kubernetes.api_server import ApiServer
from service.kubernetes.cluster_watch import READ, ClusterWatch, unreadable
from vocabulary import statements
from vocabulary.entities import Change

WHY = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu."
UNSCHEDULABLE = [
    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": WHY}
]


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as one:
        yield one


@pytest.fixture
def server(api: FakeApiServer, tmp_path: Path) -> ApiServer:
    token = tmp_path / "token"
    token.write_text("first\n")
    return ApiServer(api.url, token, timeout_seconds=2.0, watch_seconds=5)


@pytest.fixture
def begin(api: FakeApiServer, server: ApiServer) -> Iterator[Callable[..., ClusterWatch]]:
    begun: list[ClusterWatch] = []

    def one(**more: Any) -> ClusterWatch:
        made = ClusterWatch(server, "c", lambda: 1000.0, pause_seconds=0.02, **more)
        made.start()
        begun.append(made)
        until(lambda: {name for name in PRESENT if not api.watches(name)} == set())
        return made

    yield one
    for made in begun:
        made.stop()
    api.cut()
    for made in begun:
        made.close()


PRESENT = (DEPLOYMENTS, STATEFUL_SETS, NODES, HPAS, EVENTS, "/api/v1/pods")


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not come about in ten seconds"
        time.sleep(0.01)


def told(watch: ClusterWatch, most: int = 1) -> list[Change]:
    """The next changes, as soon as there are *most* of them."""
    found: list[Change] = []

    def enough() -> bool:
        found.extend(watch.take_changes())
        return len(found) >= most

    until(enough)
    return found


def said(changes: list[Change]) -> set[tuple[str, str, str]]:
    return {(one.kind, str(one.entity), one.what) for one in changes}


def test_what_is_there_has_not_changed_and_every_kind_of_act_is_told(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    api.put(deployment_body(), DEPLOYMENTS)
    api.put(node_body(), NODES)
    api.put(hpa_body(), HPAS)
    watch = begin()
    until(lambda: not watch.troubles())
    api.put(deployment_body(image="vllm/vllm-openai:v0.33.0", replicas=3), DEPLOYMENTS)
    api.put(node_body(cordoned=True), NODES)
    api.put(hpa_body(desired=4), HPAS)
    api.put(event_body("chat-1", "Container vllm failed liveness probe, will be restarted"), EVENTS)
    api.put(pod_body("chat-2", node="", phase="Pending", conditions=UNSCHEDULABLE))
    assert said(told(watch, 6)) == {
        ("scale", "pool/llm/chat", "replicas asked for 2 → 3"),
        ("rollout", "pool/llm/chat",
         "image: vllm vllm/vllm-openai:v0.32.0 → vllm/vllm-openai:v0.33.0"),
        ("node", "node/n1", "n1 cordoned"),
        ("autoscaler", "pool/llm/chat", "HPA chat wants 2 → 4 replicas"),
        ("probe", "replica/c/llm/uid-chat-1/vllm",
         "liveness probe of vllm failed: its node kills the container"),
        ("pending", "pool/llm/chat", f"chat-2 finds no node: {WHY}"),
    }  # fmt: skip
    assert watch.take_changes() == []


def test_a_pod_that_waits_for_a_node_is_told_of_once_and_so_is_that_it_found_one(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    watch = begin()
    pending = {"phase": "Pending", "conditions": UNSCHEDULABLE}
    api.put(pod_body("chat-2", node="", **pending))
    assert [one.kind for one in told(watch)] == ["pending"]
    api.put(pod_body("chat-2", node="", labels={"x": "y"}, **pending))
    api.put(pod_body("chat-2", node="n1"))
    until(lambda: not watch._unscheduled.known)
    (found,) = told(watch)
    assert (found.kind, found.what) == ("pending", f"chat-2 {statements.NODE_FOUND}")
    assert watch.take_changes() == []


def test_what_happened_while_we_were_down_is_told_once_after_the_restart(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    api.put(deployment_body(), DEPLOYMENTS)
    api.put(deployment_body("gone"), DEPLOYMENTS)
    api.put(node_body(boot="boot-1"), NODES)
    first = begin()
    until(lambda: not first.troubles())
    memory = json.loads(json.dumps(first.memory()))
    first.close()
    api.put(deployment_body(args=["--model", "qwen3", "--max-num-seqs=64"]), DEPLOYMENTS)
    api.delete("uid-deploy-gone", DEPLOYMENTS)
    api.put(node_body(boot="boot-2"), NODES)
    asked = len(api.lists(DEPLOYMENTS))
    second = begin(remembered=memory)
    assert said(told(second, 3)) == {
        ("rollout", "pool/llm/chat", "arguments of vllm: --max-num-seqs 256 → 64"),
        ("rollout", "pool/llm/gone", "Deployment gone was deleted"),
        ("restart", "node/n1", "n1 rebooted"),
    }
    fresh = api.lists(DEPLOYMENTS)[asked]
    assert "resourceVersion" not in fresh, "a list to compare with must not come from a cache"
    third = begin(remembered=json.loads(json.dumps(second.memory())))
    until(lambda: not third.troubles())
    assert third.take_changes() == []


def test_the_first_of_its_kind_while_we_were_down_is_told_too(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    first = begin()
    until(lambda: not first.troubles())
    memory = json.loads(json.dumps(first.memory()))
    first.close()
    api.put(deployment_body(), DEPLOYMENTS)
    api.put(pod_body("late", node="", conditions=UNSCHEDULABLE))
    kinds = {one.kind for one in told(begin(remembered=memory), 2)}
    assert kinds == {"rollout", "pending"}


def test_history_that_was_compacted_costs_nothing(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    api.put(deployment_body(), DEPLOYMENTS)
    watch = begin()
    until(lambda: not watch.troubles())
    api.cut()
    api.forget()
    api.put(deployment_body(replicas=5), DEPLOYMENTS)
    api.forget()
    assert said(told(watch)) == {("scale", "pool/llm/chat", "replicas asked for 2 → 5")}


def test_many_objects_are_listed_page_by_page(api: FakeApiServer, server: ApiServer) -> None:
    for number in range(1203):
        api.put(deployment_body(f"d{number}"), DEPLOYMENTS)
    found, version = server.list(READ[0], "")
    assert len({one["metadata"]["uid"] for one in found}) == len(found) == 1203
    assert version == str(api.version)
    assert [one.get("continue") for one in api.lists(DEPLOYMENTS)] == [None, "500", "1000"]


def test_a_kind_that_is_forbidden_or_missing_costs_only_itself(
    api: FakeApiServer, server: ApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    api.forbidden = {STATEFUL_SETS}
    api.put(node_body(), NODES)
    api.put(deployment_body(volumes=[{"configMap": {"name": "conf"}}]), DEPLOYMENTS)
    api.forbidden |= {CONFIG_MAPS}
    watch = ClusterWatch(server, "c", lambda: 1000.0, pause_seconds=0.02)
    watch.start()
    until(lambda: api.watches(NODES))
    until(lambda: "configmaps" in watch.troubles())
    until(lambda: "server.readCluster" in watch.troubles().get("statefulsets", ""))
    assert "server.readConfigMaps" in watch.troubles()["configmaps"]
    assert "scaledobjects" not in watch.troubles(), "KEDA is not here, which is no trouble"
    api.put(node_body(kernel="6.9.0"), NODES)
    assert said(told(watch)) == {("node", "node/n1", "kernel of n1 6.8.0 → 6.9.0")}
    assert set(unreadable(server)) == {"statefulsets"}
    api.forbidden = set()
    until(lambda: api.watches(STATEFUL_SETS))
    watch.stop()
    api.cut()
    watch.close()


def test_an_older_cluster_is_asked_for_its_older_autoscalers(
    api: FakeApiServer, server: ApiServer
) -> None:
    api.served -= {HPAS}
    api.put(deployment_body(), DEPLOYMENTS)
    api.put(hpa_body(), HPAS_V1)
    watch = ClusterWatch(server, "c", lambda: 1000.0, pause_seconds=0.02)
    watch.start()
    until(lambda: api.watches(HPAS_V1) and api.watches(DEPLOYMENTS))
    api.put(hpa_body(most=9), HPAS_V1)
    assert said(told(watch)) == {
        ("config", "pool/llm/chat", "HPA chat: 1 to 4 replicas → 1 to 9 replicas")
    }
    watch.stop()
    api.cut()
    watch.close()


def test_keda_and_leader_worker_sets_are_followed_where_they_are(
    api: FakeApiServer, begin: Callable[..., ClusterWatch]
) -> None:
    api.served |= {SCALED_OBJECTS, LEADER_WORKER_SETS}
    scaled: dict[str, Any] = {
        "metadata": {"name": "big", "namespace": "llm", "uid": "uid-so", "annotations": {}},
        "spec": {"scaleTargetRef": {"name": "big"}, "maxReplicaCount": 8, "triggers": [1]},
    }
    template = deployment_body()["spec"]["template"]
    group: dict[str, Any] = {
        "metadata": {"name": "big", "namespace": "llm", "uid": "uid-lws"},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"workerTemplate": template}},
    }
    owned = deployment_body("big-0")
    owned["metadata"]["ownerReferences"] = [{"kind": "LeaderWorkerSet", "name": "big"}]
    api.put(scaled, SCALED_OBJECTS)
    api.put(group, LEADER_WORKER_SETS)
    watch = begin()
    until(lambda: api.watches(SCALED_OBJECTS) and api.watches(LEADER_WORKER_SETS))
    api.put(owned, STATEFUL_SETS)
    scaled["metadata"]["annotations"] = {"autoscaling.keda.sh/paused": "true"}
    api.put(scaled, SCALED_OBJECTS)
    group["spec"]["replicas"] = 2
    api.put(group, LEADER_WORKER_SETS)
    assert said(told(watch, 2)) == {
        ("config", "pool/llm/big", "ScaledObject big was paused"),
        ("scale", "pool/llm/big", "replicas asked for 1 → 2"),
    }


def test_config_maps_that_model_servers_name_are_compared_and_others_never_asked_for(
    api: FakeApiServer, server: ApiServer
) -> None:
    api.put(deployment_body(volumes=[{"name": "v", "configMap": {"name": "conf"}}]), DEPLOYMENTS)
    api.put(config_map_body("conf", {"a": "1", "b": "2"}), CONFIG_MAPS)
    api.put(config_map_body("other", {"a": "1"}), CONFIG_MAPS)
    watch = ClusterWatch(server, "c", lambda: 1000.0)
    watch._workloads["Deployment"].relist()
    watch.look_at_config_maps()
    api.put(config_map_body("conf", {"a": "canary", "c": "3"}), CONFIG_MAPS)
    watch.look_at_config_maps()
    assert said(watch.take_changes()) == {
        ("config", "pool/llm/chat", "config map conf: +c, -b, a (content not shown)")
    }
    api.delete("uid-cm-conf", CONFIG_MAPS)
    watch.look_at_config_maps()
    assert said(watch.take_changes()) == {
        ("config", "pool/llm/chat", "config map conf: -a, -c (content not shown)")
    }
    paths = {one["path"] for one in api.asked if "configmaps" in one["path"]}
    assert paths == {"/api/v1/namespaces/llm/configmaps/conf"}
    assert "canary" not in json.dumps(watch.memory())
    watch.close()
