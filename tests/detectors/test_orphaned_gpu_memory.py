"""F40: memory of a GPU is held by nobody."""

import numpy as np
from scene_builder import NOW, World, step

from detectors.orphaned_gpu_memory import OrphanedGpuMemory
from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

GIB = 2.0**30
ENDED = NOW - 2400.0


def node(memory: float = 12.0 * GIB) -> World:
    """One GPU that a replica holds, and one that nobody does."""
    world = World().replica("a").gpu("GPU-a", "a").gpu("GPU-b")
    world.put(signals.GPU_MEMORY, 70.0 * GIB, gpu="GPU-a", node="node-1")
    return world.put(signals.GPU_MEMORY, memory, gpu="GPU-b", node="node-1")


def findings(world: World) -> list[Finding]:
    return list(OrphanedGpuMemory().detect(world.scene(FleetView(), since=60.0)))


def test_finds_memory_on_a_gpu_that_nobody_holds() -> None:
    (finding,) = findings(node())
    assert finding.entity.id == "GPU-b"
    assert finding.severity is Severity.WARNING
    assert "12.0 GiB" in finding.text


def test_is_dated_by_the_end_of_the_last_allocation() -> None:
    world = node()
    world.put(signals.GPU_ALLOCATION, step(ENDED, 1.0, np.nan), gpu="GPU-b", node="node-1",
              replica="gone", pool="chat", model="m")  # fmt: skip
    (finding,) = findings(world)
    assert ENDED <= finding.since <= ENDED + 60.0


def test_waits_half_an_hour_after_the_allocation_ended() -> None:
    world = node()
    world.put(signals.GPU_ALLOCATION, step(NOW - 900.0, 1.0, np.nan), gpu="GPU-b", node="node-1",
              replica="gone", pool="chat", model="m")  # fmt: skip
    assert findings(world) == []


def test_a_context_is_too_little() -> None:
    assert findings(node(0.6 * GIB)) == []


def test_a_process_that_can_be_named_is_another_finding() -> None:
    world = node()
    world.put(signals.GPU_UNALLOCATED_MEMORY, 12.0 * GIB, gpu="GPU-b", node="node-1",
              command="python")  # fmt: skip
    assert findings(world) == []


def test_where_nobody_tells_who_holds_what_nothing_is_orphaned() -> None:
    world = World().gpu("GPU-b").put(signals.GPU_MEMORY, 12.0 * GIB, gpu="GPU-b", node="node-1")
    assert findings(world) == []


def test_one_holder_after_another_leaves_no_orphan() -> None:
    world = node()
    for name, course in (("new", step(ENDED, np.nan, 1.0)), ("gone", step(ENDED, 1.0, np.nan))):
        world.put(signals.GPU_ALLOCATION, course, gpu="GPU-b", node="node-1",
                  replica=name, pool="chat", model="m")  # fmt: skip
    assert findings(world) == []
