"""F54: readings that stand still while the load moves."""

from collections.abc import Callable

import numpy as np
from scene_builder import NOW, Course, World, noisy

from detectors.sticky_gpu_telemetry import StickyGpuTelemetry
from fleet import identity
from fleet.topology import FleetView
from vocabulary.findings import Finding

ONSET = NOW - 1500.0
LOAD = noisy(400.0, 0.3, 4)


def frozen(course: Callable[..., object], level: float) -> Course:
    return lambda t: np.where(np.asarray(t) < ONSET, course(np.asarray(t)), level)


def readings(stuck: tuple[str, ...] = ("power", "utilization", "clock", "temperature")) -> dict:
    alive = {
        "power": noisy(500.0, 0.05, 2),
        "utilization": noisy(0.9, 0.05, 3),
        "clock": noisy(1.9e9, 0.01, 5),
        "temperature": noisy(60.0, 0.05, 6),
    }
    return {
        name: frozen(course, float(course(np.array([ONSET]))[0])) if name in stuck else course
        for name, course in alive.items()
    }


def findings(world: World) -> list[Finding]:
    return list(StickyGpuTelemetry().detect(world.scene(FleetView(), since=60.0)))


def node(*stuck: dict, load: float | Course = LOAD) -> World:
    world = World()
    for index, courses in enumerate(stuck):
        world.replica(f"r{index}", step_tokens_per_second=load)
        world.gpu(f"GPU-{index}", f"r{index}", **courses)
    return world


def test_a_gpu_whose_readings_stand_still_under_a_moving_load_is_named_and_dated() -> None:
    (finding,) = findings(node(readings(), readings(())))
    assert finding.entity == identity.gpu("GPU-0")
    assert abs(finding.since - ONSET) <= 60.0


def test_several_on_one_node_are_one_finding_about_the_node() -> None:
    (finding,) = findings(node(readings(), readings()))
    assert finding.entity == identity.node("node-1")
    assert {one.id for one in finding.related} == {"GPU-0", "GPU-1"}


def test_a_locked_clock_and_a_full_utilisation_are_no_lie() -> None:
    assert findings(node(readings(("clock", "utilization")))) == []
    assert findings(node(readings(("clock", "utilization", "temperature")))) == []


def test_a_load_that_does_not_move_proves_nothing() -> None:
    assert findings(node(readings(), load=400.0)) == []
    assert findings(node(readings(), load=0.0)) == []


def test_readings_that_ended_are_not_stuck() -> None:
    ended = {name: lambda t, c=course: np.where(t < NOW - 300.0, c(t), np.nan)
             for name, course in readings().items()}  # fmt: skip
    assert findings(node(ended)) == []
