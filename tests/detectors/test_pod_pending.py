"""F46: a pod finds no node."""

import pytest
from scene_builder import NOW, World

from detectors.pod_pending import PodPending
from fleet import identity
from fleet.topology import FleetView
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

BEGAN = NOW - 960.0
WHY = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def pending(name: str = "chat-x", at: float = BEGAN, words: str = "") -> Change:
    what = words or f"{name} {statements.NO_NODE}: {WHY}"
    return Change(at, "pending", identity.pool("chat"), what, "chat")


def findings(*changes: Change, world: World | None = None) -> list[Finding]:
    world = world or World().replica("a").replica("b").gpu("GPU-a", "a").gpu("GPU-b")
    world.changes += changes
    return list(PodPending().detect(world.scene(FleetView(), since=600.0)))


def test_finds_a_pod_that_waits_longer_than_a_node_takes_to_come() -> None:
    (finding,) = findings(pending())
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.WARNING
    assert finding.since == BEGAN
    assert "Insufficient nvidia.com/gpu" in finding.text
    assert "2 replicas work" in finding.text
    assert "1 GPUs are seen that no replica holds" in finding.evidence[0].text


def test_two_pods_of_one_pool_are_one_finding() -> None:
    (finding,) = findings(pending(), pending("chat-y", NOW - 30.0))
    assert finding.text.startswith("2 pods")


def test_waits_a_quarter_of_an_hour_while_others_of_the_pool_work() -> None:
    assert findings(pending(at=NOW - 840.0)) == []


def test_wakes_somebody_soon_where_nothing_of_the_pool_works() -> None:
    world = World().replica("a", target_up=0.0)
    (finding,) = findings(pending(at=NOW - 240.0), world=world)
    assert finding.severity is Severity.CRITICAL


@pytest.mark.parametrize("words", [f"chat-x {statements.NODE_FOUND}"])
def test_is_over_when_a_node_took_it(words: str) -> None:
    assert findings(pending(), pending(at=NOW - 60.0, words=words)) == []


def test_is_over_when_the_pod_is_seen_although_nobody_said_so() -> None:
    world = (
        World()
        .replica("a")
        .target(1.0, target="http://x", replica="x", pool="chat", pod="chat-x", vantage="engine")
    )
    assert findings(pending(), world=world) == []


def test_a_container_that_cannot_start_is_another_matter() -> None:
    words = f"chat-x {statements.CANNOT_START} vllm: ErrImagePull of a:1"
    assert findings(pending(words=words)) == []
