"""A real Kubernetes API server: our watches with the rights that the chart gives, and no others.

The contract at the end of this file is held by `fake_api_server` as well: what unit tests are told
by the fake is what a real server says.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_api_server import FakeApiServer
from integration import products
from integration.clusters import (
    PODS,
    Cluster,
    FakeCluster,
    RealCluster,
    account_of,
    bad_day,
    container,
    end,
    install,
    put,
    report,
    serve_a_model,
    serve_no_more,
)  # fmt: skip
from integration.products import until
from rigs import kubernetes
from rigs.kubernetes import ControlPlane

from service.kubernetes.api_server import (
    ApiServer,
    Expired,
    NotServed,
    Resource,
    pods_of,
)
from service.kubernetes.cluster_watch import ClusterWatch
from service.kubernetes.pod_watch import PodWatch
from vocabulary.entities import Change
from vocabulary.errors import SourceDown, SourceError, SourceUnauthorised

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": None,
                      "finishedAt": "2026-11-25T10:00:00Z"}}  # fmt: skip


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster with every right that the chart asks for."""
    with products.or_skip(), kubernetes.serve() as running:
        install(running)
        yield running


@pytest.fixture
def agent(plane: ControlPlane, tmp_path: Path) -> Iterator[ApiServer]:
    api = account_of(plane, tmp_path, "tidegauge-agent")
    yield api
    api.close()


@pytest.fixture
def watch(plane: ControlPlane, tmp_path: Path, agent: ApiServer) -> Iterator[PodWatch]:
    """Pods of n1, with a watch so short that it ends several times in a test."""
    short = ApiServer(
        agent.url, agent.token_file, agent.ca_file, timeout_seconds=5.0, watch_seconds=3
    )
    one = PodWatch(short, "n1", "c", lambda: 1000.0, 0.1, 0.5)
    yield one
    one.close()
    plane.done("DELETE", f"{PODS}?gracePeriodSeconds=0")


def names(watch: PodWatch) -> set[str]:
    return {one.name for one in watch.pods()}


def soon(true: Callable[[], object], what: str, seconds: float = 15) -> None:
    until(lambda: bool(true()), what, seconds=seconds)


# -- rights ---------------------------------------------------------------------------------------


def test_the_charts_agent_may_read_pods_and_nothing_else(
    plane: ControlPlane, agent: ApiServer
) -> None:
    assert agent.token_file is not None
    token = agent.token_file.read_text(encoding="ascii")
    put(plane, "there")

    def status(method: str, path: str, body: dict[str, Any] | None = None) -> int:
        return plane.ask(method, path, body, token=token)[0]

    assert status("GET", "/api/v1/pods") == 200
    assert status("GET", f"{PODS}/there") == 200
    pod = {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    for method, path, body in (
        ("POST", PODS, pod),
        ("PATCH", f"{PODS}/there", {}),
        ("DELETE", f"{PODS}/there", None),
        ("DELETE", PODS, None),
        ("POST", f"{PODS}/there/exec?command=id", None),
        ("GET", f"{PODS}/there/log", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/configmaps", None),
        ("GET", "/api/v1/nodes", None),
        ("GET", "/apis/apps/v1/deployments", None),
        ("POST", "/api/v1/namespaces/sre/serviceaccounts/tidegauge-agent/token", {}),
    ):
        assert status(method, path, body) == 403, f"{method} {path}"
    end(plane, "there")


def test_a_missing_right_names_the_setting_that_gives_it(agent: ApiServer) -> None:
    with pytest.raises(SourceUnauthorised, match=r"403.*readCluster"):
        agent.list(Resource(("/api/v1/nodes",)))


# -- following pods -------------------------------------------------------------------------------


def test_pods_come_change_and_go_as_a_scheduler_and_a_kubelet_would_have_it(
    plane: ControlPlane, watch: PodWatch
) -> None:
    watch.start()
    soon(lambda: not watch.trouble, "the first list")
    put(plane, "elsewhere", node="n2")
    put(plane, "a", node="")
    target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
    binding = {"metadata": {"name": "a"}, "target": target}
    plane.done("POST", f"{PODS}/a/binding", binding)
    soon(lambda: names(watch) == {"a"}, "a pod that is bound to this node is seen")
    report(plane, "a", phase="Running", podIP="10.1.0.5", containerStatuses=[container()])
    soon(lambda: [one.ip for one in watch.pods()] == ["10.1.0.5"], "its address is known")
    report(plane, "a", containerStatuses=[container(1, lastState=OOM)])
    plane.done("PATCH", f"{PODS}/a", {"spec": {"containers": [
        {"name": "vllm", "image": "vllm:v2"},
    ]}})  # fmt: skip
    time.sleep(1.0)
    restart, rollout = sorted(watch.take_changes(), key=lambda one: one.kind)
    assert (restart.kind, rollout.kind) == ("restart", "rollout")
    assert "OOMKilled" in restart.what
    assert "vllm:v1 → vllm:v2" in rollout.what

    plane.done("DELETE", f"{PODS}/a")  # a kubelet has half a minute to end it
    time.sleep(0.5)
    assert names(watch) == {"a"}, "it still runs"
    end(plane, "a")
    soon(lambda: not names(watch), "it is gone when its kubelet says so")


def test_an_evicted_pod_is_a_change_of_its_node(plane: ControlPlane, watch: PodWatch) -> None:
    watch.start()
    put(plane, "a")
    soon(lambda: names(watch) == {"a"}, "it is seen")
    report(plane, "a", phase="Failed", reason="Evicted", message="node was low on memory")
    soon(lambda: not names(watch), "it runs no more")
    (change,) = watch.take_changes()
    assert change.kind == "node"
    assert "Evicted: node was low on memory" in change.what


def test_an_api_server_that_restarts_costs_nothing_that_was_known(
    plane: ControlPlane, watch: PodWatch
) -> None:
    put(plane, "a")
    watch.start()
    soon(lambda: names(watch) == {"a"}, "it is seen")
    plane.stop()
    soon(lambda: watch.trouble, "the outage is noticed")
    assert names(watch) == {"a"}
    plane.start()
    put(plane, "b")
    soon(lambda: names(watch) == {"a", "b"} and not watch.trouble, "it goes on")
    assert watch.take_changes() == [], "nothing happened to a"


def test_history_that_was_compacted_meanwhile_is_made_up_for_by_a_new_list(
    plane: ControlPlane, watch: PodWatch, agent: ApiServer
) -> None:
    put(plane, "a")
    put(plane, "b")
    report(plane, "a", phase="Running", containerStatuses=[container()])
    watch.start()
    soon(lambda: names(watch) == {"a", "b"}, "both are seen")
    assert agent.token_file is not None
    right = agent.token_file.read_text(encoding="ascii")
    agent.token_file.write_text("mistyped", encoding="ascii")
    soon(lambda: "401" in watch.trouble, "the next watch is refused")

    report(plane, "a", containerStatuses=[container(1, lastState=OOM)])
    put(plane, "c")
    end(plane, "b")
    plane.compact()
    plane.stop()
    plane.start()  # with an empty watch cache, as every API server has after a start
    assert names(watch) == {"a", "b"}, "still what was known last"
    agent.token_file.write_text(right, encoding="ascii")
    soon(lambda: names(watch) == {"a", "c"}, "the new list")
    (change,) = watch.take_changes()
    assert (change.kind, "OOMKilled" in change.what) == ("restart", True), "told once"
    soon(lambda: not watch.trouble, "all is well")


def test_a_watch_under_way_ends_when_another_thread_closes_it(
    plane: ControlPlane, agent: ApiServer
) -> None:
    _, version = agent.list_pods("n1", "")
    ends: list[Exception] = []

    def follow() -> None:
        try:
            list(agent.watch_pods("n1", version))
        except SourceError as error:
            ends.append(error)

    reader = threading.Thread(target=follow)
    reader.start()
    time.sleep(0.5)
    agent.close()
    reader.join(3.0)
    assert not reader.is_alive()
    assert isinstance(ends[0], SourceDown)
    assert plane.ask("GET", "/readyz")[0] == 200, "no byte of a later connection is taken"


def test_a_list_of_several_pages_is_whole(plane: ControlPlane, agent: ApiServer) -> None:
    wanted = {f"p{number}" for number in range(520)}
    for name in wanted:
        put(plane, name, node="big")
    found, version = agent.list_pods("big", "")
    assert {one["metadata"]["name"] for one in found} == wanted
    assert int(version) > 0
    plane.done("DELETE", f"{PODS}?gracePeriodSeconds=0")


# -- following the cluster ------------------------------------------------------------------------


@pytest.fixture
def server(plane: ControlPlane, tmp_path: Path) -> Iterator[ApiServer]:
    api = account_of(plane, tmp_path, "tidegauge-server")
    yield api
    api.close()


@pytest.fixture
def fleet(plane: ControlPlane) -> Iterator[ControlPlane]:
    serve_a_model(plane)
    yield plane
    serve_no_more(plane)


SHOULD_BE_TOLD = {
    "image": "v1 → ", "scaled": "replicas asked for 2 → 3", "autoscaler": "1 to 9 replicas",
    "cordon": "gpu-1", "pending": "late finds no node: no GPU", "probe": "liveness probe of vllm",
}  # fmt: skip


def told_by(watch: ClusterWatch) -> list[Change]:
    """The changes that *watch* tells, once all of the above are among them."""
    told: list[Change] = []
    missing, deadline = dict(SHOULD_BE_TOLD), time.monotonic() + 15
    while missing and time.monotonic() < deadline:
        time.sleep(0.1)
        told += watch.take_changes()
        texts = [f"{one.kind} {one.entity.id} {one.what}" for one in told]
        missing = {n: w for n, w in missing.items() if not any(w in text for text in texts)}
    assert not missing, texts
    return told


def test_the_charts_server_follows_whatever_is_done_to_the_cluster(
    fleet: ControlPlane, server: ApiServer
) -> None:
    watch = ClusterWatch(server, "c", time.time, pause_seconds=0.1)
    watch.start()
    try:
        soon(lambda: not watch.troubles(), "every kind that is there is listed")
        bad_day(fleet)
        told = told_by(watch)
        assert len({(one.kind, one.what, one.entity) for one in told}) == len(told), "once"
    finally:
        watch.close()


def test_what_was_done_while_our_server_was_down_is_told_when_it_is_back(
    fleet: ControlPlane, server: ApiServer
) -> None:
    first = ClusterWatch(server, "c", time.time, pause_seconds=0.1)
    first.start()
    soon(lambda: not first.troubles(), "every kind that is there is listed")
    memory = first.memory()
    first.close()
    assert first.take_changes() == []
    bad_day(fleet)
    again = ClusterWatch(server, "c", time.time, remembered=memory, pause_seconds=0.1)
    again.start()
    try:
        told_by(again)
    finally:
        again.close()


# -- the contract that the fake holds too ---------------------------------------------------------


@pytest.fixture(params=["fake", "real"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    if request.param == "fake":
        with FakeApiServer() as server:
            fake = FakeCluster(server, tmp_path)
            yield fake
            fake.api.close()
        return
    plane = request.getfixturevalue("plane")
    real = RealCluster(plane, request.getfixturevalue("agent"))
    yield real
    real.api.close()
    plane.done("DELETE", f"{PODS}?gracePeriodSeconds=0")


def short(kind: str, body: dict[str, Any]) -> tuple[str, str, str]:
    return kind, body["metadata"].get("name", ""), body.get("status", {}).get("phase", "")


def test_contract_a_watch_from_a_list_tells_each_change_once_in_order(cluster: Cluster) -> None:
    cluster.create("a", "n1")
    cluster.create("elsewhere", "n2")
    listed, version = cluster.api.list_pods("n1", "")
    assert [one["metadata"]["name"] for one in listed] == ["a"]
    cluster.set_phase("a", "Running")
    cluster.set_phase("elsewhere", "Running")
    cluster.create("b", "n1")
    cluster.set_phase("a", "Failed")
    cluster.delete("a")
    events = []
    for kind, body in cluster.api.watch_pods("n1", version):
        events.append((short(kind, body), int(body["metadata"]["resourceVersion"])))
        if kind == "DELETED":
            break
    assert [event for event, _ in events] == [
        ("MODIFIED", "a", "Running"),
        ("ADDED", "b", "Pending"),
        ("MODIFIED", "a", "Failed"),
        ("MODIFIED", "a", "Failed"),  # marked for deletion
        ("DELETED", "a", "Failed"),
    ]
    versions = [at for _, at in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)


def test_contract_a_quiet_watch_is_told_how_far_it_is_and_ends_by_itself(
    cluster: Cluster,
) -> None:
    _, version = cluster.api.list_pods("n1", "")

    def meanwhile() -> None:
        cluster.create("elsewhere", "n2")
        cluster.pass_time()

    timer = threading.Timer(0.5, meanwhile)
    timer.start()
    begun = time.monotonic()
    events = list(cluster.api.watch_pods("n1", version))
    timer.join()
    assert 3.0 <= time.monotonic() - begun <= 8.0, "the seconds that were asked for"
    assert {kind for kind, _ in events} == {"BOOKMARK"}
    assert int(events[-1][1]["metadata"]["resourceVersion"]) > int(version)


def test_contract_a_version_whose_history_is_lost_has_expired(cluster: Cluster) -> None:
    _, version = cluster.api.list_pods("n1", "")
    cluster.create("a", "n1")
    cluster.create("b", "n1")
    cluster.forget()
    with pytest.raises(Expired):
        list(cluster.api.watch_pods("n1", version))
    listed, fresh = cluster.api.list_pods("n1", "")
    assert {one["metadata"]["name"] for one in listed} == {"a", "b"}
    cluster.delete("a")
    marked, gone = itertools.islice(cluster.api.watch_pods("n1", fresh), 2)
    assert (marked[0], gone[0]) == ("MODIFIED", "DELETED")
    assert "deletionTimestamp" in marked[1]["metadata"]


def test_contract_refusals_are_told_apart(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("mistyped", encoding="ascii")
    stranger = ApiServer(cluster.api.url, tmp_path / "wrong", cluster.api.ca_file)
    with pytest.raises(SourceUnauthorised, match="401"):
        stranger.list_pods("n1")
    stranger.close()
    with pytest.raises(NotServed):
        cluster.api.get(f"{PODS}/nobody", pods_of("n1"))
