"""F41: a GPU is gone, by the driver's word, by its last Xid, or because it is missing."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.gpu_lost import GpuLost
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 300.0


def cluster() -> World:
    world = World().replica("a").replica("b")
    for name in "ab":
        world.gpu(f"GPU-{name}", name)
    return world


def device(world: World, gpu: str, up: Any, verdict: str = "ok", node: str = "node-1") -> World:
    return world.put(signals.TARGET_UP, up, target=f"nvml/{gpu}", verdict=verdict, node=node)


def until(moment: float, value: float = 1.0) -> Any:
    return lambda t: np.where(t < moment, value, np.nan)


def since(moment: float, value: float) -> Any:
    return lambda t: np.where(t >= moment, value, np.nan)


def findings(world: World) -> list[Finding]:
    return list(GpuLost().detect(world.scene()))


def lost() -> World:
    world = device(cluster(), "GPU-a", until(ONSET))
    device(world, "GPU-a", since(ONSET, 0.0), "lost")
    return device(world, "GPU-b", 1.0)


def test_the_drivers_word_is_enough_and_names_who_held_it() -> None:
    (finding,) = findings(lost())
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 15.0
    assert [one.id for one in finding.related] == ["a"]
    assert finding.severity is Severity.WARNING, "its pool has another who works"


def test_xid_79_is_its_last_word() -> None:
    world = cluster().put(
        signals.GPU_XID, step(ONSET, 0.0, 1.0), gpu="GPU-a", node="node-1", xid="79"
    )
    (finding,) = findings(world)
    assert finding.entity.id == "GPU-a"
    assert "fallen off the bus" in finding.text


def test_xid_and_word_together_are_one_finding_with_both() -> None:
    world = lost().put(signals.GPU_XID, step(ONSET, 0.0, 1.0), gpu="GPU-a", node="node-1", xid="79")
    (finding,) = findings(world)
    assert len(finding.evidence) >= 2


def test_a_pool_that_has_nobody_left_is_a_page() -> None:
    world = World().replica("a", engine_steps_per_second=step(ONSET, 40.0, 0.0))
    world.gpu("GPU-a", "a")
    device(world, "GPU-a", since(ONSET, 0.0), "lost")
    (finding,) = list(GpuLost().detect(world.scene(since=600.0)))
    assert finding.severity is Severity.CRITICAL


def test_a_device_that_is_missing_beside_its_neighbours_is_lost() -> None:
    world = device(cluster(), "GPU-b", 1.0)
    device(world, "GPU-a", until(NOW - 1500.0))
    (finding,) = findings(world)
    assert finding.entity.id == "GPU-a"
    assert "no longer among" in finding.text


def test_a_node_that_is_not_read_has_lost_none() -> None:
    """B11, B09: a drain, a reboot or a broken agent takes all of them."""
    world = cluster()
    for gpu in ("GPU-a", "GPU-b"):
        device(world, gpu, until(NOW - 1500.0))
    assert findings(world) == []


def test_a_short_absence_is_a_reload_of_the_driver() -> None:
    world = device(cluster(), "GPU-b", 1.0)
    device(world, "GPU-a", until(NOW - 300.0))
    assert findings(world) == []


@pytest.mark.parametrize("xid", ["13", "31", "43", "45", "68", "109"])
def test_a_programs_xid_loses_no_gpu(xid: str) -> None:
    """B14."""
    world = cluster().put(
        signals.GPU_XID, step(ONSET, 0.0, 3.0), gpu="GPU-a", node="node-1", xid=xid
    )
    assert findings(world) == []


def test_an_event_falls_silent_after_its_time() -> None:
    old = lambda t: np.where((t > NOW - 1500.0) & (t < NOW - 900.0), 1.0, 0.0)  # noqa: E731
    world = cluster().put(signals.GPU_XID, old, gpu="GPU-a", node="node-1", xid="79")
    assert findings(world) == []
