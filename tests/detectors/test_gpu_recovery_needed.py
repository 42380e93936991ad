"""Y22: the driver's own verdict, known or unknown, before any table."""

from typing import Any

import pytest
from scene_builder import NOW, World, step

from detectors.gpu_recovery_needed import GpuRecoveryNeeded
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 300.0
GPU = {"gpu": "GPU-a", "node": "node-1"}


def cluster(action: str, course: Any = None) -> World:
    world = World().replica("a").gpu("GPU-a", "a")
    course = step(ONSET, float("nan"), 1.0) if course is None else course
    return world.put(signals.GPU_RECOVERY, course, action=action, **GPU)


def findings(world: World) -> list[Finding]:
    return list(GpuRecoveryNeeded().detect(world.scene()))


@pytest.mark.parametrize(
    "action", ["gpu_reset", "node_reboot", "drain_p2p", "bus_reset", "unknown_9"]
)
def test_every_action_counts_an_unknown_one_too(action: str) -> None:
    (finding,) = findings(cluster(action))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 30.0
    assert action.replace("_", " ") in finding.text


def test_no_action_is_health() -> None:
    assert findings(cluster("none", 1.0)) == []


def test_a_driver_that_does_not_say_is_not_ill() -> None:
    assert findings(World().replica("a").gpu("GPU-a", "a")) == []


def test_a_reset_that_is_done_is_over() -> None:
    assert findings(cluster("gpu_reset", step(NOW - 120.0, 1.0, float("nan")))) == []


def test_one_reading_is_a_reset_under_way() -> None:
    assert findings(cluster("gpu_reset", step(NOW - 20.0, float("nan"), 1.0))) == []
