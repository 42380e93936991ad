"""F04: full utilisation, no step, no effort."""

from typing import Any

import pytest
from scene_builder import NOW, World, step

from detectors.collective_hang import CollectiveHang
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 300.0


def cluster(
    utilization: Any = 1.0,
    power: Any = None,
    tensor: Any = None,
    limit: bool = True,
    **courses: Any,
) -> World:
    stuck = {
        "engine_steps_per_second": step(ONSET, 40.0, 0.0),
        "step_tokens_per_second": step(ONSET, 400.0, 0.0),
        "output_tokens_per_second": step(ONSET, 400.0, 0.0),
    }
    world = World().replica("a", **{**stuck, **courses}).replica("b")
    watts = step(ONSET, 600.0, 230.0) if power is None else power
    for index in range(4):
        world.gpu(f"GPU-{index}", "a", utilization=utilization, power=watts)
        about = {"gpu": f"GPU-{index}", "node": "node-1"}
        if limit:
            world.put(signals.GPU_POWER_LIMIT, 700.0, **about)
        if tensor is not None:
            world.put(signals.GPU_TENSOR_ACTIVE, tensor, **about)
    return world


def findings(world: World) -> list[Finding]:
    return list(CollectiveHang().detect(world.scene()))


def test_a_group_that_spins_is_found_by_its_power() -> None:
    (finding,) = findings(cluster())
    assert finding.entity.id == "a"
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 15.0
    assert "230 of 700 W" in finding.evidence[1].text


def test_tensor_pipes_say_it_better_than_power() -> None:
    assert findings(cluster(power=600.0, tensor=step(ONSET, 0.4, 0.001)))
    assert findings(cluster(power=230.0, tensor=0.4)) == [], "they compute: it is no spin"


def test_a_stall_with_idle_gpus_is_the_engines_own() -> None:
    assert findings(cluster(utilization=step(ONSET, 0.95, 0.0))) == []


def test_a_stall_in_full_effort_is_the_engines_own() -> None:
    assert findings(cluster(power=600.0)) == []


def test_where_nobody_can_tell_the_effort_nothing_is_said() -> None:
    assert findings(cluster(limit=False)) == []


@pytest.mark.parametrize(
    "courses",
    [
        {"engine_steps_per_second": 40.0},
        {"requests_running": 0.0},
        {"engine_steps_per_second": step(NOW - 60.0, 40.0, 0.0)},
        {"engine_steps_per_second": None, "output_tokens_per_second": None},
    ],
    ids=["low effort while it works", "no work", "one long step", "no heartbeat"],
)
def test_what_only_looks_so_is_left_alone(courses: dict[str, Any]) -> None:
    assert findings(cluster(**courses)) == []


def test_a_scrape_gap_is_no_hang() -> None:
    """B09."""
    assert findings(cluster().gap(NOW - 110.0, NOW + 1.0)) == []
