"""F44: driver or firmware hangs: one device, the whole node, or several nodes alike."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.gpu_driver_hang import GpuDriverHang
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 240.0


def cluster() -> World:
    world = World().replica("a", node="node-1").replica("b", node="node-2")
    return world.gpu("GPU-a", "a").gpu("GPU-b", "b", node="node-2")


def hung(world: World, target: str, start: float = ONSET, node: str = "node-1") -> World:
    course: Any = lambda t: np.where(t >= start, 0.0, np.nan)  # noqa: E731
    return world.put(signals.TARGET_UP, course, target=target, verdict="hung", node=node)


def findings(world: World) -> list[Finding]:
    return list(GpuDriverHang().detect(world.scene()))


def test_a_device_whose_calls_hang_is_found_and_dated() -> None:
    (finding,) = findings(hung(cluster(), "nvml/GPU-a"))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 15.0
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("xid", ["119", "120", "62", "46"])
def test_firmware_that_stops_says_so_by_xid(xid: str) -> None:
    about = {"gpu": "GPU-a", "node": "node-1", "xid": xid}
    (finding,) = findings(cluster().put(signals.GPU_XID, step(ONSET, 0.0, 1.0), **about))
    assert finding.entity.id == "GPU-a"


def test_a_driver_that_hangs_as_a_whole_is_its_nodes_and_is_said_once() -> None:
    world = hung(cluster(), "node/nvml").put(
        signals.GPU_XID, step(ONSET, 0.0, 1.0), gpu="GPU-a", node="node-1", xid="119"
    )
    (finding,) = findings(world)
    assert str(finding.entity) == "node/node-1"
    assert len(finding.evidence) == 2
    assert [one.id for one in finding.related] == ["a", "GPU-a"]


def test_two_nodes_alike_wake_somebody() -> None:
    world = hung(hung(cluster(), "nvml/GPU-a"), "nvml/GPU-b", node="node-2")
    assert {one.severity for one in findings(world)} == {Severity.CRITICAL}


def test_one_slow_answer_is_no_hang() -> None:
    assert findings(hung(cluster(), "nvml/GPU-a", NOW - 45.0)) == []


def test_a_hang_that_is_over_is_over() -> None:
    course: Any = lambda t: np.where((t > NOW - 900) & (t < NOW - 300), 0.0, np.nan)  # noqa: E731
    about = {"target": "nvml/GPU-a", "verdict": "hung", "node": "node-1"}
    assert findings(cluster().put(signals.TARGET_UP, course, **about)) == []


def test_an_engines_page_that_hangs_is_no_driver() -> None:
    assert findings(hung(cluster(), "http://a")) == []


@pytest.mark.parametrize("xid", ["13", "31", "43", "109"])
def test_a_programs_xid_is_no_hang(xid: str) -> None:
    """B14."""
    about = {"gpu": "GPU-a", "node": "node-1", "xid": xid}
    assert findings(cluster().put(signals.GPU_XID, 1.0, **about)) == []
