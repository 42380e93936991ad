"""F27: tokens come slower at equal load."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, noisy, step

from detectors.throughput_regression import ThroughputRegression
from fleet import identity
from fleet.topology import FleetView
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array

T0 = NOW - 1500.0
Load = Callable[[Array], Array]


def daily(seed: int) -> Load:
    """A load that wanders over an hour or so, differently for each replica."""
    return lambda t: 12.0 + 6.0 * np.sin(np.asarray(t) / 1700.0 + seed) + 2.0 * np.sin(t / 130.0)


def engine(load: Load, factor: Any = 1.0, seed: int = 1) -> dict[str, Any]:
    """Courses of an engine whose step costs 15 ms, 0.8 ms a request and some for prompts."""

    def itl(t: Array) -> Array:
        times = factor(t) if callable(factor) else factor
        return (0.015 + 0.0008 * load(t) + 1e-6 * 150.0 * load(t)) * times

    return {
        "requests_running": load,
        "requests_running_mean": load,
        "tokens_per_step": load,
        "kv_cache_utilization_mean": lambda t: load(t) / 40.0,
        "prompt_tokens_per_step": lambda t: 3.0 * load(t),
        "input_tokens_per_second": lambda t: 150.0 * load(t),
        "inter_token_latency_mean": noisy(itl, 0.03, seed),
        "output_tokens_per_second": lambda t: load(t) / itl(t),
    }


def pool(factors: list[Any], load: Callable[[int], Load] = daily) -> World:
    world = World()
    for index, factor in enumerate(factors):
        world.replica(f"r{index}", **engine(load(index), factor, index))
    return world


def findings(world: World, fleet: FleetView | None = None) -> list[Finding]:
    view = fleet or FleetView()
    if fleet is None:
        old = World(NOW - 20_000.0, world.courses)
        old.scene(view)
    return list(ThroughputRegression().detect(world.scene(view)))


def rollout(world: World) -> World:
    world.changes.append(Change(T0, "rollout", identity.pool("chat"), "0.32.0 → 0.33.0", "chat"))
    return world


@pytest.mark.parametrize("slower", [1.1, 1.3, 2.0])
def test_finds_a_rollout_that_made_the_pool_slower(slower: float) -> None:
    world = rollout(pool([step(T0, 1.0, slower)] * 3))
    (finding,) = findings(world)
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - T0) <= 120.0
    assert "0.32.0 → 0.33.0" in finding.text
    assert len(finding.related) == 3
    evidence = finding.evidence[0]
    assert evidence.observed is not None
    assert evidence.expected is not None
    assert evidence.observed / evidence.expected == pytest.approx(slower, rel=0.06)


def test_finds_the_replicas_of_the_new_revision_alone() -> None:
    world = rollout(pool([step(T0, 1.0, 1.4), 1.0, 1.0]))
    (finding,) = findings(world)
    assert finding.related == (identity.replica("r0"),)


def test_finds_a_step_that_no_known_change_explains() -> None:
    (finding,) = findings(pool([step(T0, 1.0, 1.3)] * 2))
    assert finding.confidence < 0.9
    assert "no change is known" in finding.text
    assert finding.severity is Severity.WARNING


def test_a_single_slow_replica_is_named_itself() -> None:
    (finding,) = findings(pool([step(T0, 1.0, 1.5), 1.0, 1.0]))
    assert finding.entity == identity.replica("r0")


def test_a_throttled_gpu_is_another_detectors_story() -> None:
    world = pool([step(T0, 1.0, 1.5), 1.0, 1.0])
    world.gpu("GPU-0", "r0", throttled={"hw_thermal_slowdown": 1.0})
    assert findings(world) == []


@pytest.mark.parametrize("seed", range(4))
def test_stays_silent_at_changing_load(seed: int) -> None:
    assert findings(pool([1.0] * 3, lambda index: daily(index + 10 * seed))) == []
    assert findings(rollout(pool([1.0] * 3, lambda index: daily(index + 10 * seed)))) == []


def test_a_quiet_hour_is_no_regression() -> None:
    def ebb(index: int) -> Load:
        return lambda t: np.where(t < T0, daily(index)(t), 2.0)

    assert findings(rollout(pool([1.0] * 3, ebb))) == []


def test_a_nightly_batch_is_no_regression() -> None:
    """B03: load far above anything seen before; the model is asked to extrapolate."""

    def flood(index: int) -> Load:
        return lambda t: np.where(t < T0, daily(index)(t), 60.0)

    assert findings(pool([1.0] * 3, flood)) == []


def test_another_model_is_another_baseline() -> None:
    """B05: the pool's model is swapped for a slower one."""
    world = World()
    for index in range(2):
        old = engine(daily(index), 1.0, index)
        world.replica(f"old{index}", **{name: _until(course) for name, course in old.items()},
                      target_up=step(T0, 1.0, np.nan))  # fmt: skip
        new = engine(daily(index), 2.0, index)
        world.replica(f"new{index}", model="bigger", target_up=step(T0, np.nan, 1.0),
                      **{name: _from(course) for name, course in new.items()})  # fmt: skip
    assert findings(world) == []


def test_an_engine_that_counts_no_steps_is_judged_by_its_gauges() -> None:
    def without_steps(factor: Any) -> World:
        world = World()
        for index in range(3):
            courses = engine(daily(index), factor, index)
            courses |= {"tokens_per_step": None, "prompt_tokens_per_step": None,
                        "engine_steps_per_second": None}  # fmt: skip
            world.replica(f"r{index}", **courses)
        return rollout(world)

    assert len(findings(without_steps(step(T0, 1.0, 1.3)))) == 1
    assert findings(without_steps(1.0)) == []


def _until(course: Load) -> Load:
    return lambda t: np.where(t < T0, course(t), np.nan)


def _from(course: Load) -> Load:
    return lambda t: np.where(t < T0, np.nan, course(t))


def test_a_new_replica_that_warms_up_is_left_alone() -> None:
    born = NOW - 500.0
    world = pool([1.0, 1.0])
    world.replica("r9", target_up=step(born, np.nan, 1.0),
                  **{name: lambda t, c=course: np.where(t < born, np.nan, c(t))
                     for name, course in engine(daily(9), 3.0, 9).items()})  # fmt: skip
    view = FleetView()
    World(NOW - 20_000.0, world.courses).scene(view)
    World(born + 1.0, world.courses).scene(view)
    assert findings(world, view) == []


def test_a_blip_that_heals_is_no_regression() -> None:
    blip = lambda t: np.where((t > T0) & (t < NOW - 420.0), 1.5, 1.0)  # noqa: E731
    assert findings(rollout(pool([blip] * 3))) == []


def test_learns_nothing_from_an_incident() -> None:
    """Slow all the time but for a calm stretch: only the calm stretch is normal."""
    ill = lambda t: np.where((t < NOW - 7200.0) | (t > T0), 1.3, 1.0)  # noqa: E731
    world = pool([ill] * 2)
    world.troubled = {"pool/chat": ((NOW - 20_000.0, NOW - 7200.0),)}
    assert len(findings(world)) == 1


def test_preemptions_are_another_story() -> None:
    world = pool([1.0])
    world = World().replica("r0", preemptions_per_second=step(T0, 0.0, 0.5),
                            **engine(daily(0), step(T0, 1.0, 1.6)))  # fmt: skip
    assert findings(world) == []
