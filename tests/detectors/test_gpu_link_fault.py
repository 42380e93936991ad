"""F43: links that fail, and switches that say so; errors that are mended are none."""

from typing import Any

import pytest
from scene_builder import NOW, World, step

from detectors.gpu_link_fault import GpuLinkFault
from vocabulary import signals
from vocabulary.expressions import Signal
from vocabulary.findings import Finding

ONSET = NOW - 480.0
GPU = {"gpu": "GPU-a", "node": "node-1"}


def cluster() -> World:
    return World().replica("a").replica("b").gpu("GPU-a", "a").gpu("GPU-b", "b", node="node-2")


def findings(world: World) -> list[Finding]:
    return list(GpuLinkFault().detect(world.scene()))


@pytest.mark.parametrize(
    ("signal", "course", "labels"),
    [
        (signals.GPU_XID, step(ONSET, 0.0, 1.0), {"xid": "74"}),
        (signals.GPU_XID, step(ONSET, 0.0, 1.0), {"xid": "149"}),
        (signals.GPU_NVLINK_ERRORS, step(ONSET, 0.0, 1.0), {"error_type": "recovery"}),
        (signals.GPU_NVLINK_ERRORS, step(ONSET, 0.0, 2.0), {"error_type": "link_recovery_failed"}),
        (signals.GPU_NVLINK_ERRORS, step(ONSET, 0.0, 500.0), {"error_type": "replay"}),
        (signals.GPU_NVLINKS, step(ONSET, 18.0, 17.0), {"state": "up"}),
        (signals.GPU_FABRIC_FAULT, step(ONSET, 0.0, 1.0), {"fault": "route_unhealthy"}),
    ],
)
def test_a_link_at_fault_is_found_and_dated(
    signal: Signal, course: Any, labels: dict[str, str]
) -> None:
    (finding,) = findings(cluster().put(signal, course, **labels, **GPU))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 60.0


def test_a_fatal_fault_of_a_switch_is_its_nodes() -> None:
    sxid = {"node": "node-1", "sxid": "20034"}
    world = cluster().put(signals.NVSWITCH_SXID, step(ONSET, 0.0, 1.0), severity="fatal", **sxid)
    (finding,) = findings(world)
    assert str(finding.entity) == "node/node-1"
    assert [one.id for one in finding.related] == ["a", "GPU-a"]


@pytest.mark.parametrize(
    ("signal", "course", "labels"),
    [
        (signals.GPU_NVLINK_ERRORS, 9.0, {"error_type": "symbol"}),
        (signals.GPU_NVLINK_ERRORS, 9.0, {"error_type": "effective"}),
        (signals.GPU_NVLINK_ERRORS, 20.0, {"error_type": "replay"}),
        (signals.GPU_NVLINK_ERRORS, 0.0, {"error_type": "recovery"}),
        (signals.GPU_NVLINKS, 6.0, {"state": "down"}),
        (signals.GPU_NVLINKS, 12.0, {"state": "up"}),
        (signals.GPU_NVLINKS, step(NOW - 60.0, 18.0, 17.0), {"state": "up"}),
        (signals.GPU_FABRIC_FAULT, 0.0, {"fault": "route_unhealthy"}),
        (signals.GPU_XID, 2.0, {"xid": "31"}),
        (signals.GPU_XID, 1.0, {"xid": "137"}),
        (signals.NVSWITCH_SXID, 2.0, {"severity": "non_fatal", "sxid": "11012"}),
    ],
)
def test_what_links_mend_or_never_had_is_no_fault(
    signal: Signal, course: Any, labels: dict[str, str]
) -> None:
    assert findings(cluster().put(signal, course, **labels, **GPU)) == []
