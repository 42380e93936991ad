"""Each GPU fault of the simulator is found in time at the right place; a program's Xid is not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster

from simulator.fault import Fault
from simulator.faults.collective_hang import CollectiveHang
from simulator.faults.gpu_driver_hang import GpuDriverHang
from simulator.faults.gpu_link_fault import GpuLinkFault
from simulator.faults.gpu_lost import GpuLost
from simulator.faults.gpu_memory_fault import GpuMemoryFault
from simulator.faults.gpu_throttling import GpuThrottling
from simulator.look_alikes.application_xid import ApplicationXid
from simulator.look_alikes.power_cap import PowerCap

Cluster = Callable[..., SimulatedCluster]
ONSET = 300.0
LONG = pytest.mark.prove
"""Over fifteen simulated minutes: too much for each change, whose fixed set the drill plays."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    opened: list[SimulatedCluster] = []

    def open_one(**settings: object) -> SimulatedCluster:
        opened.append(SimulatedCluster(tmp_path / str(len(opened)), **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    "fault",
    [
        GpuLost(), GpuMemoryFault(), GpuMemoryFault(xid="94"), GpuLinkFault(), GpuDriverHang(),
        CollectiveHang(),
        pytest.param(GpuThrottling(), marks=LONG),
        pytest.param(GpuThrottling(reason="hw_power_brake", share=0.5), marks=LONG),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'xid', '')}",
)  # fmt: skip
def test_is_found_in_time_at_the_right_place_and_dated(cluster: Cluster, fault: Fault) -> None:
    simulated = cluster()
    injection = simulated.inject(fault, ONSET)
    heard = simulated.run(ONSET + fault.detect_within)
    onset = simulated.start + ONSET
    found = {
        entity: (at, finding)
        for (mode, entity), (at, finding) in heard.first.items()
        if mode == fault.failure_mode.word
    }
    assert found, f"heard only {sorted(heard.first)}"
    at, finding = min(found.values(), key=lambda one: one[0])
    named = {str(entity) for entity in injection.fault.entities()}
    assert named & {*found, *(str(one) for one in finding.related)}
    assert onset <= at <= onset + fault.detect_within
    assert onset - 60.0 <= finding.since <= at
    assert [mode for (mode, _), (when, _) in heard.first.items() if when <= onset] == []


@LONG
def test_a_programs_xid_and_a_power_cap_are_not_mentioned(cluster: Cluster) -> None:
    """B14, B13."""
    simulated = cluster()
    simulated.inject(ApplicationXid(), ONSET)
    simulated.inject(PowerCap(), ONSET + 60.0)
    heard = simulated.run(1500.0)
    assert {mode for mode, _ in heard.first if mode.startswith(("gpu_", "collective"))} == set()
