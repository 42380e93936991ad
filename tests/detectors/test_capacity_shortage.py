"""F14: a pool is asked for more than it can do."""

from scene_builder import NOW, World, during, step

from detectors.capacity_shortage import CapacityShortage
from fleet import identity
from vocabulary.findings import Finding

ONSET = NOW - 900.0
QUEUE = step(ONSET, 0.0, 8.0)


def findings(world: World) -> list[Finding]:
    return list(CapacityShortage().detect(world.scene()))


def test_queues_on_every_replica_are_found_and_dated() -> None:
    world = World().replica("a", requests_waiting=QUEUE).replica("b", requests_waiting=QUEUE)
    (finding,) = findings(world)
    assert finding.entity == identity.pool("chat")
    assert {one.id for one in finding.related} == {"a", "b"}
    assert abs(finding.since - ONSET) <= 60.0


def test_one_queue_beside_an_idle_sibling_is_another_failure() -> None:
    assert findings(World().replica("a", requests_waiting=QUEUE).replica("b")) == []


def test_preemptions_say_that_the_cache_is_short_and_not_the_pool() -> None:
    busy = {"requests_waiting": QUEUE, "preemptions_per_second": 0.5}
    assert findings(World().replica("a", **busy).replica("b", **busy)) == []


def test_a_queue_that_comes_and_goes_is_a_busy_pool() -> None:
    burst = during(NOW - 420.0, NOW - 120.0, 9.0, 0.0)
    assert findings(World().replica("a", requests_waiting=burst)) == []


def test_an_engine_that_makes_no_step_is_not_short_of_capacity() -> None:
    stalled = {
        "requests_waiting": QUEUE,
        "engine_steps_per_second": step(ONSET, 40.0, 0.0),
        "step_tokens_per_second": step(ONSET, 400.0, 0.0),
        "output_tokens_per_second": step(ONSET, 400.0, 0.0),
    }
    world = World().replica("a", **stalled)
    assert list(CapacityShortage().detect(world.scene(since=900.0))) == []
