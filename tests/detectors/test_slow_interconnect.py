"""F26: a PCIe link that sends its packets again."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.slow_interconnect import SlowInterconnect
from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 2400.0


def findings(world: World) -> list[Finding]:
    view = FleetView()
    World(NOW - 3600.0, world.courses).scene(view)
    return list(SlowInterconnect().detect(world.scene(view)))


def replays(course: Any) -> World:
    world = World().replica("a").gpu("GPU-a", "a")
    return world.put(signals.GPU_PCIE_REPLAYS, noisy(course, 0.1), gpu="GPU-a", node="node-1")


def test_half_an_hour_of_replays_names_the_gpu_and_its_replica() -> None:
    (finding,) = findings(replays(step(ONSET, 0.0, 20.0)))
    assert finding.entity.id == "GPU-a"
    assert [str(one) for one in finding.related] == ["replica/a"]
    assert abs(finding.since - ONSET) <= 60.0


def test_a_burst_that_is_over_is_none() -> None:
    assert findings(replays(step(ONSET, 20.0, 0.0))) == []


def test_ten_minutes_are_too_short() -> None:
    assert findings(replays(step(NOW - 600.0, 0.0, 50.0))) == []


def test_a_replay_now_and_then_is_nothing() -> None:
    assert findings(replays(0.5)) == []
