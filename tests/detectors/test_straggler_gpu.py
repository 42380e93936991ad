"""F24: one GPU is slower than its siblings, for a reason that is a fault."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.straggler_gpu import StragglerGpu
from fleet import identity
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 600.0
SLOW = noisy(step(ONSET, 1.98e9, 0.9e9), 0.005)


def cluster(slow: dict[str, Any], itl: Any = 0.025) -> World:
    world = World().replica("a", inter_token_latency_mean=itl).replica("b").replica("c")
    world.gpu("GPU-a", "a", node="n1", **slow)
    return world.gpu("GPU-b", "b", node="n2").gpu("GPU-c", "c", node="n3")


def findings(world: World) -> list[Finding]:
    return list(StragglerGpu().detect(world.scene()))


def hot(reason: str = "sw_thermal_slowdown") -> dict[str, Any]:
    return {"clock": SLOW, "throttled": {reason: step(ONSET, 0.0, 1.0)}, "temperature": 88.0}


def test_finds_the_gpu_its_replica_and_the_onset() -> None:
    (finding,) = findings(cluster(hot(), itl=step(ONSET, 0.025, 0.06)))
    assert finding.entity.id == "GPU-a"
    assert finding.related == (identity.replica("a"),)
    assert finding.severity is Severity.WARNING
    assert finding.confidence > 0.9
    assert abs(finding.since - ONSET) <= 30.0
    assert (finding.pool, finding.model) == ("chat", "chat-model")


def test_is_less_sure_while_its_replica_does_not_suffer() -> None:
    (finding,) = findings(cluster(hot()))
    assert finding.confidence < 0.9


def test_finds_the_slow_card_within_one_replica_of_several() -> None:
    world = World().replica("a")
    for index in range(4):
        slow = hot("hw_thermal_slowdown") if index == 2 else {}
        world.gpu(f"GPU-{index}", "a", **slow)
    (finding,) = findings(world)
    assert finding.entity.id == "GPU-2"


def test_a_power_cap_on_all_cards_is_normal() -> None:
    """B13: the software power cap holds all siblings down alike at full load."""
    world = World()
    for name in "abc":
        world.replica(name).gpu(f"GPU-{name}", name, clock=1.58e9, throttled={"sw_power_cap": 1.0})
    assert findings(world) == []


def test_an_idle_gpu_clocks_down_and_is_no_straggler() -> None:
    idle = {"clock": 0.3e9, "utilization": 0.0, "throttled": {"gpu_idle": 1.0}}
    assert findings(cluster(idle)) == []


def test_a_hot_rack_is_no_straggler() -> None:
    world = World()
    for name in "abcd":
        world.replica(name).gpu(f"GPU-{name}", name, **hot())
    assert findings(world) == []


def test_a_low_clock_without_a_faulty_reason_is_left_alone() -> None:
    assert (
        findings(cluster({"clock": SLOW, "throttled": {"applications_clocks_setting": 1.0}})) == []
    )


def test_siblings_that_differ_among_themselves_prove_nothing() -> None:
    """Mixed power limits: every card has its own clock."""
    world = World().replica("a").gpu("GPU-a", "a", **hot() | {"clock": 1.1e9})
    for name, clock in (("b", 1.98e9), ("c", 1.2e9), ("d", 1.6e9), ("e", 1.3e9)):
        world.replica(name).gpu(f"GPU-{name}", name, clock=clock)
    assert findings(world) == []


def test_a_card_alone_is_not_compared() -> None:
    assert findings(World().replica("a").gpu("GPU-a", "a", **hot())) == []


def test_a_gap_says_nothing() -> None:
    world = cluster(hot()).gap(NOW - 170.0, NOW + 1.0)
    assert findings(world) == []
