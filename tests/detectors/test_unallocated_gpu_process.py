"""Y05: a process on a GPU that it was not given."""

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.unallocated_gpu_process import DAEMONS, UnallocatedGpuProcess
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

GIB = 2.0**30


def intruded(since: float = 1200.0, command: str = "python3", **more: str) -> World:
    world = World().replica("a").gpu("GPU-1", "a").gpu("GPU-2")
    about = {"node": "node-1", "gpu": "GPU-1", "command": command, **more}
    return world.put(signals.GPU_UNALLOCATED_MEMORY, step(NOW - since, np.nan, 4 * GIB), **about)


def findings(world: World) -> list[Finding]:
    return list(UnallocatedGpuProcess().detect(world.scene()))


def test_finds_a_host_process_and_dates_it() -> None:
    (finding,) = findings(intruded())
    assert (finding.entity.id, finding.since) == ("GPU-1", NOW - 1200.0)
    assert finding.severity is Severity.WARNING
    assert "python3 of the host" in finding.text
    assert finding.evidence[0].observed == 4 * GIB
    assert [one.id for one in finding.related] == ["a"]
    assert finding.pool == "chat"


def test_a_gpu_that_no_pod_holds_is_context_alone() -> None:
    (finding,) = findings(intruded(gpu="GPU-2"))
    assert finding.severity is Severity.INFO


def test_a_pod_on_anothers_gpu_is_found_once_and_named_without_its_command() -> None:
    pod = {"namespace": "lab", "pod": "notebook"}
    world = intruded(**pod)
    about = {"node": "node-1", "gpu": "GPU-1", "command": "python3", **pod}
    world.put(signals.GPU_STRANGER_MEMORY, 4 * GIB, **about)
    (finding,) = findings(world)
    assert "pod lab/notebook" in finding.text
    assert finding.evidence[0].observed == 4 * GIB


def test_an_intruder_in_a_mig_instance_is_the_instances() -> None:
    world = World()
    about = {"node": "n", "gpu": "GPU-1", "mig": "MIG-1", "namespace": "lab", "pod": "x"}
    world.put(signals.GPU_STRANGER_MEMORY, GIB, **about)
    (finding,) = findings(world)
    assert finding.entity.id == "MIG-1"


def test_several_processes_of_one_gpu_are_one_finding() -> None:
    world = intruded()
    for n in range(3):
        about = {"node": "node-1", "gpu": "GPU-1", "command": f"train{n}"}
        world.put(signals.GPU_UNALLOCATED_MEMORY, (n + 1) * GIB, **about)
    (finding,) = findings(world)
    assert finding.text.startswith("python3 of the host, train2 of the host and 2 more")


@pytest.mark.parametrize("command", DAEMONS)
def test_daemons_of_the_driver_are_at_home(command: str) -> None:
    assert len(command) <= 15, "the kernel keeps fifteen characters"
    assert findings(intruded(command=command)) == []


def test_a_short_visit_one_that_ended_and_a_bare_trace_are_none() -> None:
    assert findings(intruded(since=540.0)) == []
    about = {"node": "node-1", "gpu": "GPU-1", "command": "python3"}
    gone = step(NOW - 120.0, 4 * GIB, np.nan)
    assert findings(World().put(signals.GPU_UNALLOCATED_MEMORY, gone, **about)) == []
    assert findings(World().put(signals.GPU_UNALLOCATED_MEMORY, 1e6, **about)) == []
