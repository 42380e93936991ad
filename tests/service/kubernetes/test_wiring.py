"""What an agent reads once it follows pods, what doctor says of it; elsewhere it is free."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_api_server import BUILT_IN, NODES, PODS, FakeApiServer, pod_body

from fleet.topology import FleetView
from service import assembly, doctor
from service.change_checks import cluster_changes
from service.change_sources import ChangeSources
from service.checks import Verdict
from service.clock import WallClock
from service.config import Config, load
from service.kubernetes.api_server import ApiServer
from service.kubernetes.cluster_watch import READ
from service.kubernetes.pod_watch import PodWatch
from service.kubernetes.process_owners import ProcessOwners


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[FakeApiServer, ApiServer]]:
    (tmp_path / "token").write_text("first")
    with FakeApiServer() as fake:
        yield fake, ApiServer(fake.url, tmp_path / "token", timeout_seconds=2.0)


def config(**flags: Any) -> Config:
    return load(None, {}, {"node": "n1", "cluster": "prod", **flags})


def test_outside_a_cluster_nobody_follows_pods_and_no_kubelet_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert assembly.pod_watch(config(), WallClock()) is None
    assert list(assembly.node_collectors(config())) == ["nvml"]


def test_an_agent_reads_the_pods_that_are_known_now(api: tuple[FakeApiServer, ApiServer]) -> None:
    fake, server = api
    fake.put(pod_body("chat-1"))
    pods = PodWatch(server, "n1", "prod", WallClock().now)
    told = config(scrape=("http://127.0.0.1:1/metrics",), host_proc=Path("/proc"))
    agent = assembly.agent_of(told, lambda samples: None, pods)
    try:
        assert [one.url for one in agent.targets()] == ["http://127.0.0.1:1/metrics"]
        pods._informer.relist()
        assert [one.url for one in agent.targets()][1:] == ["http://10.1.0.5:8000/metrics"]
        hardware = {one.name: one for one in agent.hardware}
        assert set(hardware) == {"nvml", "kubelet"}
        assert [one.name for one in hardware["kubelet"].reach.pods] == ["chat-1"]
        assert isinstance(hardware["nvml"].collector, ProcessOwners)
    finally:
        agent.close()
        pods.close()


def test_doctor_counts_pods_and_pages_and_names_those_refused(
    api: tuple[FakeApiServer, ApiServer],
) -> None:
    fake, server = api
    fake.put(pod_body("chat-1"))
    fake.put(pod_body("spy", ip="169.254.169.254"))
    settings = config().settings
    pods, checks = doctor._pods(server, assembly.pod_rules(settings))
    assert len(pods) == 2
    assert checks[0].what == "2 pods on n1, 1 pages of theirs to read"
    assert (checks[1].name, checks[1].verdict) == ("pod llm/spy", Verdict.ABSENT)


def test_doctor_names_the_mend_of_a_missing_right(api: tuple[FakeApiServer, ApiServer]) -> None:
    fake, server = api
    fake.token = "another"
    _, (check,) = doctor._pods(server, assembly.pod_rules(config().settings))
    assert check.verdict is Verdict.BLIND
    assert "agent.readPods" in check.mend


@pytest.mark.parametrize(("told", "meant"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_a_bare_on_or_off_of_yaml_is_understood(told: object, meant: str) -> None:
    assert config(kubernetes=told).settings.kubernetes == meant


def test_what_happened_to_a_pod_reaches_the_fleet_once(
    api: tuple[FakeApiServer, ApiServer], tmp_path: Path
) -> None:
    fake, server = api
    fake.put(pod_body("chat-1"))
    pods = PodWatch(server, "n1", "prod", lambda: 1000.0)
    pods._informer.relist()
    fake.put(pod_body("chat-1", restarts=1, last={"terminated": {"reason": "OOMKilled"}}))
    pods._informer.relist()
    fleet = FleetView()
    sources = ChangeSources(
        lambda told: [fleet.add_change(one) for one in told], tmp_path / "seen.json", pods
    )
    sources.hand_over()
    sources.hand_over()
    sources.close()
    (change,) = fleet.changes()
    assert (change.at, change.kind, change.entity.label) == (1000.0, "restart", "chat-1")
    assert "OOMKilled" in change.what


def test_doctor_says_which_changes_can_be_seen_and_leaves_an_agents_account_in_peace(
    api: tuple[FakeApiServer, ApiServer],
) -> None:
    fake, server = api
    (check,) = cluster_changes(server)
    assert (check.verdict, check.name) == (doctor.Verdict.OK, "cluster changes")
    fake.forbidden = {NODES}
    (check,) = cluster_changes(server)
    assert (check.verdict, check.name) == (doctor.Verdict.BLIND, "changes of nodes")
    assert "server.readCluster" in check.mend
    fake.forbidden = {*BUILT_IN, *(path for one in READ for path in one.paths)} - {PODS}
    (check,) = cluster_changes(server)
    assert check.verdict is doctor.Verdict.ABSENT
    assert list(cluster_changes(None)) == []


def test_doctor_reads_the_file_of_targets(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    (check,) = doctor._file_of_targets(config(targets=str(file)).settings)
    assert check.verdict is doctor.Verdict.BLIND
    file.write_text("- http://127.0.0.1:1/metrics")
    (check,) = doctor._file_of_targets(config(targets=str(file)).settings)
    assert check.what == f"{file} lists 1 pages"
