"""F48: engines of one node die together, and only their containers' view of the GPUs did."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, during, noisy

from detectors.container_lost_gpu import ContainerLostGpu
from fleet import identity
from fleet.topology import FleetView
from vocabulary import signals, statements
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

AT = NOW - 120.0


def restart(name: str, at: float, what: str = "container vllm restarted (1. time)") -> Change:
    return Change(at, "restart", identity.replica(name), what, "chat")


def node(*restarts: Change, power: Any = None, replicas: int = 3) -> World:
    world = World(changes=list(restarts))
    for index in range(replicas):
        world.replica(f"r{index}")
        world.gpu(f"GPU-{index}", f"r{index}", power=power or noisy(500.0, 0.05, index))
    return world


def findings(world: World) -> list[Finding]:
    return list(ContainerLostGpu().detect(world.scene(FleetView(), since=60.0)))


BURST = (restart("r0", AT), restart("r1", AT + 1.0), restart("r2", AT + 4.0))


def test_engines_that_die_together_on_a_well_node_are_one_finding_about_it() -> None:
    (finding,) = findings(node(*BURST))
    assert finding.entity == identity.node("node-1")
    assert {one.id for one in finding.related} == {"r0", "r1", "r2"}
    assert finding.severity is Severity.WARNING
    assert abs(finding.since - AT) <= 30.0


def test_one_engine_alone_and_engines_one_by_one_die_of_something_else() -> None:
    assert findings(node(BURST[0])) == []
    assert findings(node(*(restart(f"r{i}", AT - 100.0 * i) for i in range(3)))) == []
    assert findings(node(*BURST[:2], replicas=6)) == []


@pytest.mark.parametrize(
    "other",
    [
        Change(AT - 60.0, "health", identity.node("node-1"), f"node-1 {statements.NOT_READY} (x)"),
        Change(AT - 5.0, "probe", identity.replica("r0"), "liveness probe of vllm failed", "chat"),
        Change(AT - 300.0, "rollout", identity.pool("chat"), "image v1 → v2", "chat"),
    ],
)
def test_what_says_why_is_believed(other: Change) -> None:
    assert findings(node(other, *BURST)) == []


def test_containers_that_were_killed_or_ran_out_of_memory_did_not_lose_a_gpu() -> None:
    killed = "p restarted: vllm ran out of memory (OOMKilled)"
    assert findings(node(*(restart(f"r{i}", AT, killed) for i in range(3)))) == []


def test_an_xid_or_gpus_that_fell_silent_are_trouble_of_the_hardware() -> None:
    ill = node(*BURST).put(signals.GPU_XID, 1.0, gpu="GPU-1", node="node-1", xid="74")
    assert findings(ill) == []
    assert findings(node(*BURST, power=during(AT - 100.0, AT + 100.0, np.nan, 500.0))) == []
