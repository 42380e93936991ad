"""F12: calls break off when pods end."""

import numpy as np
from scene_builder import NOW, Course, World, during

from detectors.streams_cut import StreamsCut
from fleet import identity
from vocabulary.findings import Finding
from vocabulary.samples import Array

ENDS = (NOW - 900.0, NOW - 500.0)


def findings(world: World) -> list[Finding]:
    return list(StreamsCut().detect(world.scene()))


def ends(at: float, then: float = np.nan) -> Course:
    return lambda t: np.where(t <= at, 1.0, then)


def bursts(*moments: float) -> Course:
    """Eight failed calls at each moment, seen through a window of two minutes."""

    def rate(t: Array) -> Array:
        return np.sum([np.where((t > at) & (t <= at + 120.0), 8.0 / 120.0, 0.0)
                       for at in moments], axis=0)  # fmt: skip

    return rate


def rollout(errors: float | Course, then: float = np.nan) -> World:
    world = World().replica("new-1").replica("new-2").gateway(attempt_errors=errors)
    for index, at in enumerate(ENDS):
        world.replica(f"old-{index}", target_up=ends(at, then))
    return world


def test_bursts_at_the_end_of_pods_are_found_at_the_pool() -> None:
    (finding,) = findings(rollout(bursts(*ENDS)))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - ENDS[0]) <= 60.0
    assert len(finding.related) == 2


def test_an_orderly_rollout_is_not_mentioned() -> None:
    assert findings(rollout(0.0)) == []
    assert findings(rollout(bursts(ENDS[0])(np.array([0.0]))[0])) == []


def test_failures_that_go_on_have_another_cause() -> None:
    assert findings(rollout(0.05)) == []
    assert findings(rollout(during(NOW - 1500.0, NOW, 0.05, 0.0))) == []


def test_a_pod_that_died_is_refused_and_not_cut() -> None:
    assert findings(rollout(bursts(*ENDS), then=0.0)) == []
