"""F45: the GPUs of a place are braked together."""

from typing import Any

import pytest
from scene_builder import NOW, World, during, step

from detectors.gpu_throttling import GpuThrottling
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 600.0


def rack(hot: int, reason: str = "hw_thermal", course: Any = None, nodes: int = 1) -> World:
    """Nodes of eight GPUs; *hot* of the first node's are braked, and of each further one's."""
    world = World()
    for node in range(max(nodes, 2)):
        for index in range(8):
            name = f"{node}-{index}"
            world.replica(name, node=f"node-{node}")
            braked = {reason: course if course is not None else step(ONSET, 0.0, 1.0)}
            held = {"throttled": braked} if index < hot and node < nodes else {}
            world.gpu(f"GPU-{name}", name, node=f"node-{node}", **held)
    return world


def findings(world: World) -> list[Finding]:
    return list(GpuThrottling().detect(world.scene()))


@pytest.mark.parametrize("reason", ["hw_thermal", "sw_thermal", "hw_power_brake", "hw_slowdown"])
def test_a_hot_node_is_one_finding_dated_by_its_first_card(reason: str) -> None:
    (finding,) = findings(rack(4, reason))
    assert str(finding.entity) == "node/node-0"
    assert abs(finding.since - ONSET) <= 60.0
    assert finding.severity is Severity.WARNING
    assert len(finding.related) == 8, "four replicas and their GPUs"


def test_a_hot_room_wakes_somebody() -> None:
    found = findings(rack(4, nodes=2))
    assert len(found) == 2
    assert {one.severity for one in found} == {Severity.CRITICAL}


def test_one_hot_card_is_a_straggler() -> None:
    assert findings(rack(1)) == []


@pytest.mark.parametrize("reason", ["sw_power_cap", "idle", "app_clocks", "sync_boost"])
def test_what_holds_healthy_gpus_down_is_no_fault(reason: str) -> None:
    """B13."""
    assert findings(rack(8, reason, 1.0)) == []


def test_a_moment_of_it_is_none() -> None:
    assert findings(rack(8, course=during(NOW - 320.0, NOW + 1.0, 1.0, 0.0))) == []


def test_what_is_over_is_over() -> None:
    assert findings(rack(8, course=during(NOW - 900.0, NOW - 300.0, 1.0, 0.0))) == []
