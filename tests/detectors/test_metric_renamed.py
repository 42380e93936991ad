"""F53: a figure has left pages that are read."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.metric_renamed import MetricRenamed
from fleet import identity
from fleet.topology import FleetView
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ROLLOUT = NOW - 3600.0
FIGURES = (
    "requests_running", "requests_waiting", "kv_cache_utilization", "engine_steps_per_second",
    "output_tokens_per_second", "input_tokens_per_second", "requests_finished_per_second",
)  # fmt: skip
LEVELS = dict(zip(FIGURES, (10.0, 0.0, 0.4, 40.0, 400.0, 2000.0, 2.0), strict=True))


def old() -> dict[str, Any]:
    """Courses of a replica that left with the rollout."""
    gone = {name: step(ROLLOUT, level, np.nan) for name, level in LEVELS.items()}
    return {**gone, "target_up": step(ROLLOUT, 1.0, np.nan)}


def new(*without: str) -> dict[str, Any]:
    """Courses of a replica that came with it, some figures missing."""
    come = {name: step(ROLLOUT + 60.0, np.nan, level) for name, level in LEVELS.items()}
    missing = dict.fromkeys(without)
    return {**come, **missing, "target_up": step(ROLLOUT + 60.0, np.nan, 1.0), "version": "v2"}


def rolled_out(*without: str, **more: Any) -> World:
    world = World().replica("a", **old()).replica("b", **{**new(*without), **more})
    pool = identity.pool("chat")
    world.changes.append(Change(ROLLOUT, "rollout", pool, "image v1 → v2", "chat"))
    return world


def findings(world: World) -> list[Finding]:
    return list(MetricRenamed().detect(world.scene(FleetView(), since=4500.0)))


@pytest.mark.parametrize("figure", FIGURES)
def test_finds_a_figure_that_a_rollout_took_from_the_pages(figure: str) -> None:
    (finding,) = findings(rolled_out(figure))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.WARNING
    assert figure in finding.text
    assert "image v1 → v2" in finding.text
    assert [one.id for one in finding.related] == ["b"]
    assert ROLLOUT <= finding.since <= ROLLOUT + 120.0
    assert [one.signal for one in finding.evidence] == [figure]


def test_finds_a_page_that_became_strange_altogether() -> None:
    world = rolled_out(*FIGURES)
    (finding,) = findings(world)
    assert len(finding.evidence) == len(FIGURES)


def test_is_quiet_when_every_figure_is_there() -> None:
    assert findings(rolled_out()) == []


def test_is_quiet_while_the_new_pods_are_young() -> None:
    late = {name: step(NOW - 600.0, np.nan, level) for name, level in LEVELS.items()}
    young = {**late, "target_up": step(NOW - 600.0, np.nan, 1.0), "requests_running": None}
    assert findings(rolled_out(**young)) == []


def test_another_model_has_another_baseline() -> None:
    """B05."""
    assert findings(rolled_out("engine_steps_per_second", model="other")) == []


def test_a_figure_that_was_never_told_is_not_missed() -> None:
    world = World().replica("a", kv_cache_utilization=None)
    assert findings(world) == []


def test_one_replica_of_a_version_that_tells_it_is_enough() -> None:
    world = rolled_out("kv_cache_utilization").replica("c", **new())
    assert findings(world) == []


def test_a_page_that_is_not_read_is_another_failure() -> None:
    gone = {name: step(ROLLOUT, level, np.nan) for name, level in LEVELS.items()}
    world = World().replica("a", **gone, target_up=step(ROLLOUT, 1.0, 0.0))
    assert findings(world) == []
