"""F07: engines hold what nobody waits for."""

from scene_builder import NOW, Course, World, step

from detectors.zombie_requests import ZombieRequests
from fleet import identity
from fleet.topology import FleetView
from vocabulary.findings import Finding

ONSET = NOW - 900.0
HELD = step(ONSET, 10.0, 30.0)


def findings(world: World) -> list[Finding]:
    return list(ZombieRequests().detect(world.scene(FleetView(), since=900.0)))


def pool(
    held: float | Course, in_flight: float | Course = 22.0, finished: float | Course = 2.0,
    **gateway: object,
) -> World:  # fmt: skip
    world = World().gateway(in_flight=in_flight, **gateway)
    world.replica("a", requests_running=held, requests_finished_per_second=finished)
    return world.replica("b", requests_running=10.0, requests_finished_per_second=2.0)


def test_the_replica_that_holds_more_than_anybody_waits_for_is_named() -> None:
    (finding,) = findings(pool(HELD))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 60.0


def test_long_answers_are_in_flight_at_the_gateway_as_well() -> None:
    assert findings(pool(HELD, in_flight=step(ONSET, 22.0, 42.0))) == []


def test_calls_past_the_gateway_finish_like_any_other() -> None:
    assert findings(pool(HELD, finished=step(ONSET, 2.0, 6.0))) == []
    assert findings(pool(30.0)) == []


def test_a_short_excess_and_none_at_all_are_not_mentioned() -> None:
    assert findings(pool(step(NOW - 240.0, 10.0, 30.0))) == []
    assert findings(pool(12.0)) == []


def test_what_a_retry_storm_leaves_behind_is_told_by_its_retries() -> None:
    stormy = pool(HELD, attempts=step(ONSET, 4.0, 12.0), operations=4.0)
    assert findings(stormy) == []


def test_without_a_gateway_that_counts_nobody_can_know() -> None:
    assert findings(World().replica("a", requests_running=HELD)) == []
