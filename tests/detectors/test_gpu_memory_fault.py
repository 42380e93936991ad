"""F42: memory that cannot correct itself any more, or waits for a reset or a new board."""

from typing import Any

import pytest
from scene_builder import NOW, World, step

from detectors.gpu_memory_fault import GpuMemoryFault
from vocabulary import signals
from vocabulary.expressions import Signal
from vocabulary.findings import Finding

ONSET = NOW - 600.0
GPU = {"gpu": "GPU-a", "node": "node-1"}


def cluster() -> World:
    return World().replica("a").replica("b").gpu("GPU-a", "a").gpu("GPU-b", "b")


def findings(world: World) -> list[Finding]:
    return list(GpuMemoryFault().detect(world.scene()))


@pytest.mark.parametrize("xid", ["48", "64", "94", "95", "140", "171"])
def test_an_uncorrectable_error_is_found_by_its_xid(xid: str) -> None:
    (finding,) = findings(cluster().put(signals.GPU_XID, step(ONSET, 0.0, 1.0), xid=xid, **GPU))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 30.0
    assert [one.id for one in finding.related] == ["a"]


@pytest.mark.parametrize(
    ("signal", "labels", "sure"),
    [
        (signals.GPU_MEMORY_ERRORS, {"error_type": "uncorrected"}, True),
        (signals.GPU_REMAPPED, {"error_type": "pending"}, False),
        (signals.GPU_REMAPPED, {"error_type": "failure"}, True),
        (signals.GPU_RETIRED, {"cause": "pending"}, False),
        (signals.GPU_SRAM_THRESHOLD, {}, True),
    ],
)
def test_what_the_device_says_is_found_and_dated(
    signal: Signal, labels: dict[str, str], sure: bool
) -> None:
    (finding,) = findings(cluster().put(signal, step(ONSET, 0.0, 1.0), **labels, **GPU))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 60.0
    assert (finding.confidence > 0.9) is sure, "what waits for a reset works until then"


def test_the_drivers_advice_is_passed_on_and_its_calm_speaks_against() -> None:
    hurt = cluster().put(signals.GPU_XID, step(ONSET, 0.0, 1.0), xid="94", **GPU)
    (asked,) = findings(hurt.put(signals.GPU_RECOVERY, 1.0, action="drain_and_reset", **GPU))
    assert "the driver asks for drain and reset" in asked.text
    calm = cluster().put(signals.GPU_XID, step(ONSET, 0.0, 1.0), xid="94", **GPU)
    (told,) = findings(calm.put(signals.GPU_RECOVERY, 1.0, action="none", **GPU))
    assert [one.text for one in told.evidence if one.speaks_against]


@pytest.mark.parametrize(
    ("signal", "level", "labels"),
    [
        (signals.GPU_XID, 2.0, {"xid": "63"}),
        (signals.GPU_XID, 2.0, {"xid": "13"}),
        (signals.GPU_XID, 2.0, {"xid": "92"}),
        (signals.GPU_MEMORY_ERRORS, 40.0, {"error_type": "corrected"}),
        (signals.GPU_REMAPPED, 3.0, {"error_type": "corrected"}),
        (signals.GPU_REMAPPED, 1.0, {"error_type": "uncorrected"}),
        (signals.GPU_REMAPPED, 0.0, {"error_type": "pending"}),
        (signals.GPU_RETIRED, 8.0, {"cause": "double_bit"}),
        (signals.GPU_SRAM_THRESHOLD, 0.0, {}),
    ],
)
def test_memory_that_mends_itself_is_well(
    signal: Signal, level: float, labels: dict[str, Any]
) -> None:
    assert findings(cluster().put(signal, level, **labels, **GPU)) == []
