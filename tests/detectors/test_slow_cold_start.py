"""F22: a new replica does not come."""

import numpy as np
from scene_builder import NOW, World, step

from detectors.slow_cold_start import SlowColdStart
from fleet import identity
from fleet.topology import FleetView
from vocabulary.findings import Finding
from vocabulary.samples import Array


def findings(world: World) -> list[Finding]:
    return list(SlowColdStart().detect(world.scene(FleetView(), since=900.0)))


def pool(waits: float) -> World:
    """A busy replica, and one that appeared *waits* seconds ago and has refused since."""
    world = World().replica("a")
    up = lambda t: np.where(t < NOW - waits, np.nan, 0.0)  # noqa: E731
    return world.target(up, target="http://b", replica="b", pool="chat", model="chat-model",
                        vantage="engine", engine="vllm")  # fmt: skip


def started(world: World, seconds: float) -> World:
    """Another of the pool that took so long to its first answer, two hours ago."""

    def up(t: Array) -> Array:
        begun = NOW - 7200.0
        return np.where(t < begun, np.nan, np.where(t < begun + seconds, 0.0, 1.0))

    return world.replica("c", target_up=up)


def test_without_a_known_start_ten_minutes_are_too_long() -> None:
    (finding,) = findings(pool(660.0))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - (NOW - 660.0)) <= 60.0
    assert identity.replica("b") in finding.related
    assert findings(pool(500.0)) == []


def test_where_starts_are_known_twice_the_longest_is_too_long() -> None:
    assert len(findings(started(pool(300.0), 90.0))) == 1
    assert findings(started(pool(200.0), 90.0)) == []
    assert findings(started(pool(700.0), 480.0)) == []


def test_one_that_answered_before_is_dead_and_not_cold() -> None:
    world = World().replica("a").replica("b", target_up=step(NOW - 800.0, 1.0, 0.0))
    assert findings(world) == []
