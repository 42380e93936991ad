"""Y01: a tenant spends far above the same hour of the week."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, noisy, step

from detectors.cost_spike import CostSpike
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array

DAY = 86_400.0
ONSET = NOW - 900.0


def usual(level: float = 10.0) -> Any:
    """A day's curve with its peak in the afternoon."""
    return noisy(lambda t: level * (1.2 + np.cos(2 * np.pi * (np.asarray(t) - NOW) / DAY)), 0.1, 5)


def ramp(course: Any, factor: float, onset: float = ONSET) -> Any:
    """A rise as a rate over 15 minutes shows it."""

    def value(t: Array) -> Array:
        filled = np.clip((np.asarray(t) - onset) / 900.0, 0.0, 1.0)
        return course(t) * (1.0 + (factor - 1.0) * filled)

    return value


def since_start(course: Any, days: float) -> Any:
    return lambda t: np.where(np.asarray(t) < NOW - days * DAY, np.nan, course(t))


def findings(world: World) -> list[Finding]:
    return list(CostSpike().detect(world.scene()))


def test_finds_a_runaway_key_and_wakes_somebody() -> None:
    world = World().tenant("acme", spend=ramp(usual(), 12.0)).tenant("calm", spend=usual())
    (finding,) = findings(world)
    assert finding.tenant == "acme"
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 180.0
    assert finding.evidence[0].upper is not None


def test_finds_it_within_fifteen_minutes_and_projects_where_it_settles() -> None:
    course = ramp(usual(), 20.0, onset=NOW - 600.0)
    (finding,) = findings(World().tenant("acme", spend=course))
    projected = float(finding.text.rsplit("$", 1)[1].removesuffix("/h."))
    assert projected == pytest.approx(20.0 * 22.0, rel=0.35)


def test_says_whether_calls_became_more_or_longer() -> None:
    world = World().tenant(
        "acme", spend=ramp(usual(), 12.0), calls=noisy(1.0, 0.02),
        input=ramp(noisy(1000.0, 0.02), 15.0),
    )  # fmt: skip
    texts = [one.text for one in findings(world)[0].evidence]
    assert any("1.0 times the usual calls" in text for text in texts)
    assert any("times the usual prompt tokens a call" in text for text in texts)


def batch(t: Array) -> Array:
    """Eight times the spend, every night around this hour."""
    hour = (np.asarray(t) - NOW) % DAY
    return np.where((hour < 1800.0) | (hour > DAY - 3600.0), 80.0, 10.0)


def test_a_nightly_batch_at_its_hour_stays_quiet() -> None:
    """B03."""
    assert findings(World().tenant("acme", spend=batch)) == []


def test_a_batch_at_another_hour_is_a_spike() -> None:
    moved = lambda t: batch(np.asarray(t) + 6 * 3600.0 * (np.asarray(t) < NOW - 7200.0))  # noqa: E731
    assert len(findings(World().tenant("acme", spend=moved))) == 1


def test_a_nightly_batch_does_not_hide_a_runaway_on_top_of_it() -> None:
    assert len(findings(World().tenant("acme", spend=ramp(batch, 8.0)))) == 1


def test_a_weekday_is_not_held_against_a_weekend() -> None:
    """The scene is a Sunday; weekdays are five times as busy, last Sunday was as today."""

    def week(t: Array) -> Array:
        weekend = (np.asarray(t) // DAY + 3) % 7 >= 5
        return np.where(weekend, 10.0, 50.0)

    assert findings(World().tenant("acme", spend=week)) == []
    assert len(findings(World().tenant("acme", spend=ramp(week, 12.0)))) == 1


def test_few_days_of_history_make_a_wide_band() -> None:
    young = since_start(usual(), 2.2)
    assert findings(World().tenant("acme", spend=ramp(young, 3.0))) == []
    assert len(findings(World().tenant("acme", spend=ramp(young, 60.0)))) == 1


def test_a_tenant_without_a_past_is_held_against_the_others_and_says_so() -> None:
    young = since_start(usual(), 0.2)
    world = World().tenant("new", spend=ramp(young, 30.0)).tenant("calm", spend=usual())
    (finding,) = findings(world)
    assert finding.tenant == "new"
    assert finding.severity is Severity.WARNING
    assert finding.confidence <= 0.5
    assert "no history yet" in finding.evidence[0].text


def test_a_tenant_without_a_past_and_with_modest_spend_is_welcome() -> None:
    world = World().tenant("new", spend=step(ONSET, np.nan, 30.0)).tenant("calm", spend=usual())
    assert findings(world) == []


def test_cents_wake_nobody() -> None:
    assert findings(World().tenant("acme", spend=ramp(usual(0.01), 50.0))) == []


def test_spend_over_several_models_is_one_tenants() -> None:
    world = World().tenant("acme", spend=usual()).tenant("acme", "dear", spend=ramp(usual(), 15.0))
    (finding,) = findings(world)
    assert finding.model == "dear"


def test_a_dear_model_that_runs_away_is_seen_beneath_a_bigger_bill() -> None:
    world = World().tenant("acme", spend=usual(40.0))
    world.tenant("acme", "dear", spend=ramp(usual(1.0), 20.0))
    (finding,) = findings(world)
    assert finding.model == "dear"
    assert "on dear" in finding.text


def test_history_inside_incidents_is_not_normal() -> None:
    """The same key ran away at this hour on each of the last three days."""

    def bad_habit(t: Array) -> Array:
        hour = (np.asarray(t) - NOW) % DAY
        wild = ((hour < 3600.0) | (hour > DAY - 3600.0)) & (np.asarray(t) > NOW - 9.0 * DAY)
        return np.where(wild, 150.0, 10.0)

    world = World().tenant("acme", spend=ramp(bad_habit, 1.0))
    assert findings(world) == []
    spans = tuple((NOW - k * DAY - 4000.0, NOW - k * DAY + 4000.0) for k in range(1, 10))
    world.troubled = {"tenant/acme": spans}
    assert len(findings(world)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_days_stay_quiet(seed: int) -> None:
    course = noisy(usual(30.0), 0.2, seed)
    assert findings(World().tenant("acme", spend=course)) == []
