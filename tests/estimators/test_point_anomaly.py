"""Point anomalies: causal, comparable, calm when young."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.live_engine import scored
from estimators.point_anomaly import PointAnomaly

JUDGE = PointAnomaly()


def score(values: np.ndarray, step: float, judge: PointAnomaly = JUDGE) -> np.ndarray:
    return scored(judge, step * np.arange(len(values)), values, step)


def wave(rows: int = 2000, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50.0 + 5.0 * np.sin(np.arange(rows) / 60.0) + rng.normal(0.0, 1.0, rows)


@settings(max_examples=8, deadline=None)
@given(st.integers(60, 1999))
def test_the_future_changes_nothing(rows: int) -> None:
    whole = score(wave(), 60.0)
    part = score(wave()[:rows], 60.0)
    np.testing.assert_allclose(part, whole[:rows], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["spike", "drop", "level", "variance"])
def test_each_kind_of_anomaly_scores_above_all_else(kind: str) -> None:
    values = wave()
    part = slice(1500, 1530)
    if kind == "spike":
        values[part] += 25.0
    elif kind == "drop":
        values[part] -= 25.0
    elif kind == "level":
        values[1500:] += 15.0
    else:
        values[part] += np.where(np.arange(30) % 2, 8.0, -8.0)
    scores = score(values, 60.0)
    assert np.nanmax(scores[1500:1540]) > np.nanmax(scores[:1500])
    assert np.nanmax(scores[1500:1540]) > JUDGE.alarm


def test_one_odd_sample_is_no_event_where_samples_are_close() -> None:
    values = wave()
    values[1500] += 40.0
    assert np.nanmax(score(values, 60.0)[1490:1501]) < JUDGE.alarm


def test_a_young_series_surprises_nobody_and_says_nothing_at_first() -> None:
    scores = score(wave(), 60.0)
    assert np.isnan(scores[: JUDGE.warm_up]).all()
    for seed in range(20):
        early = score(wave(seed=seed)[:300], 60.0)
        assert np.nanmax(early) < JUDGE.alarm


def test_a_gap_is_null_and_does_not_alarm_afterwards() -> None:
    values = wave()
    values[1200:1260] = np.nan
    scores = score(values, 60.0)
    assert np.isnan(scores[1200:1260]).all()
    assert np.nanmax(scores[1260:1400]) < JUDGE.alarm


def test_a_flat_series_has_no_alarm_and_a_first_movement_does() -> None:
    flat = np.full(1000, 7.0)
    assert np.nanmax(score(flat, 60.0)) < JUDGE.alarm
    flat[800:810] = 8.0
    assert np.nanmax(score(flat, 60.0)[800:810]) > JUDGE.alarm


def test_nothing_known_gives_no_score() -> None:
    assert np.isnan(score(np.full(100, np.nan), 60.0)).all()
    assert score(np.array([]), 60.0).size == 0


def test_false_alarms_on_noise_stay_within_the_budget() -> None:
    """About one in ten series-days, on 24 series-days of white noise and slow waves."""
    alarms = 0
    for seed in range(6):
        scores = score(wave(4 * 1440, seed), 60.0)
        alarms += int((np.diff((scores > JUDGE.alarm).astype(int)) == 1).sum())
    assert alarms <= 5


def test_what_a_series_often_does_surprises_less_than_what_it_never_did() -> None:
    """Two series with the same last spike: one has had a spike every few hours."""
    calm, restless = wave(4000), wave(4000)
    for row in range(600, 3400, 200):
        restless[row : row + 4] += 25.0
    for values in (calm, restless):
        values[3600:3604] += 25.0
    last = slice(3600, 3610)
    surprise = np.nanmax(score(calm, 60.0)[last])
    assert surprise > JUDGE.alarm
    assert surprise > np.nanmax(score(restless, 60.0)[last]) + 1.0


def test_a_record_fades_and_habit_can_be_turned_off() -> None:
    values = wave(6000)
    values[1000:1006] += 200.0
    values[5000:5004] += 25.0
    last = slice(5000, 5010)
    plain = np.nanmax(score(values, 60.0, replace(JUDGE, habit=0.0))[last])
    slow = np.nanmax(score(values, 60.0, replace(JUDGE, fade_per_day=0.0))[last])
    quick = np.nanmax(score(values, 60.0, replace(JUDGE, fade_per_day=2.0))[last])
    assert slow < quick <= plain


def test_rare_rows_are_judged_less_strictly() -> None:
    values = wave()
    minutes, hours = (
        np.nanmean(score(values, step, replace(JUDGE, fade_per_day=0.0, memory_days=1e4)))
        for step in (360.0, 3600.0)
    )
    assert hours == pytest.approx(minutes + JUDGE.pace, abs=1e-3)
