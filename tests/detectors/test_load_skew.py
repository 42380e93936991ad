"""F20: a route sends one replica far more than its share."""

from typing import Any

from scene_builder import NOW, World, during, step

from detectors.load_skew import LoadSkew
from fleet import identity
from vocabulary.findings import Finding

ONSET = NOW - 1200.0
HOT: dict[str, Any] = {
    "requests_finished_per_second": step(ONSET, 2.0, 4.0),
    "requests_running": step(ONSET, 10.0, 24.0),
}
COOL: dict[str, Any] = {
    "requests_finished_per_second": step(ONSET, 2.0, 1.0),
    "requests_running": step(ONSET, 10.0, 4.0),
}


def findings(world: World) -> list[Finding]:
    return list(LoadSkew().detect(world.scene(since=900.0)))


def test_the_replica_that_is_sent_most_is_named_and_dated() -> None:
    world = World().replica("a", **HOT).replica("b", **COOL).replica("c", **COOL)
    (finding,) = findings(world)
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 60.0
    assert len(finding.evidence) == 2


def test_a_slow_replica_holds_more_and_finishes_no_more() -> None:
    slow = {"requests_running": step(ONSET, 10.0, 30.0)}
    assert findings(World().replica("a", **slow).replica("b").replica("c")) == []


def test_a_burst_of_one_client_is_no_skew() -> None:
    burst = {
        "requests_finished_per_second": during(NOW - 200.0, NOW, 5.0, 2.0),
        "requests_running": during(NOW - 200.0, NOW, 30.0, 10.0),
    }
    assert findings(World().replica("a", **burst).replica("b").replica("c")) == []


def test_a_few_requests_at_night_prove_nothing() -> None:
    rare = {"requests_finished_per_second": 0.05, "requests_running": 2.0}
    none = {"requests_finished_per_second": 0.01, "requests_running": 0.5}
    assert findings(World().replica("a", **rare).replica("b", **none)) == []


def test_an_only_replica_has_nobody_to_share_with() -> None:
    assert findings(World().replica("a", **HOT)) == []
