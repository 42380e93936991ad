"""F38: replicas for traffic that left."""

import numpy as np
from scene_builder import NOW, World, noisy, step

from detectors.over_replication import OverReplication
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding
from vocabulary.samples import Array

LEFT = NOW - 8.0 * 3600.0


def findings(world: World) -> list[Finding]:
    return list(OverReplication().detect(world.scene()))


def pool(now: float, *, replicas: int = 3, left: float = LEFT) -> World:
    """A pool with days and nights whose work falls to a share of itself."""

    def work(t: Array) -> Array:
        day = 1.0 + 0.5 * np.cos(2.0 * np.pi * (t / 86_400.0))
        return np.asarray(1e6 * day * step(left, 1.0, now)(t))

    world = World()
    for index in range(replicas):
        about = {"pool": "chat", "model": "chat-model", "vantage": "engine"}
        world.replica(f"r{index}")
        world.put(signals.HOURLY_INPUT, noisy(work, 0.1, index), replica=f"r{index}", **about)
    return world


def test_replicas_for_work_that_left_are_found() -> None:
    (finding,) = findings(pool(0.03))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - LEFT) <= 3600.0
    assert len(finding.related) == 3


def test_nights_are_usual() -> None:
    assert findings(pool(1.0)) == []


def test_a_third_of_the_work_is_a_quiet_day() -> None:
    assert findings(pool(0.3)) == []


def test_an_hour_without_work_is_too_short() -> None:
    assert findings(pool(0.03, left=NOW - 3600.0)) == []


def test_one_replica_cannot_be_fewer() -> None:
    assert findings(pool(0.03, replicas=1)) == []


def test_a_pool_that_nobody_calls_is_another_story() -> None:
    """F39."""
    assert findings(pool(0.0)) == []
