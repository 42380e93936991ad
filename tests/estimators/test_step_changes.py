"""Steps in live signals and in histories of runs: found soon, dated, at equal load, causal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.step_changes import StepChanges

FINDER = StepChanges()
MINUTE = 60.0
RUN = 7200.0


def live(rows: int = 3000, seed: int = 1) -> np.ndarray:
    """White noise of 1.5 % about a level that wanders by itself."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0.0, 0.0004, rows))
    return 100.0 * np.exp(wander + rng.normal(0.0, 0.015, rows))


def history(runs: int = 260, seed: int = 1) -> np.ndarray:
    return 100.0 * np.exp(np.random.default_rng(seed).normal(0.0, 0.01, runs))


def busy(rows: int = 3000, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A latency that follows its load up and down, and that load."""
    rng = np.random.default_rng(seed)
    load = 40.0 + 30.0 * np.sin(np.arange(rows) / 200.0) + rng.normal(0.0, 5.0, rows)
    return (0.01 + 0.0005 * load) * np.exp(rng.normal(0.0, 0.015, rows)), load[:, None]


def test_a_small_step_at_equal_load_is_found_within_hours_where_the_rest_stays() -> None:
    """2 % under noise of 1.5 % a minute: nothing for minutes, plain after an hour or two."""
    found = 0
    for seed in range(10):
        values, loads = busy(seed=seed)
        assert FINDER.find(values, MINUTE, loads) == []
        values[2000:] *= 1.02
        changes = FINDER.find(values, MINUTE, loads)
        assert len(changes) <= 1
        found += sum(2000 <= one.detected < 2360 for one in changes)
    assert found >= 8


@pytest.mark.parametrize("factor", [0.95, 1.05, 1.3])
def test_a_step_in_a_live_signal_is_found_within_half_an_hour(factor: float) -> None:
    values = live()
    values[2000:] *= factor
    (change,) = FINDER.find(values, MINUTE)
    assert 2000 <= change.detected < 2030
    assert abs(change.index - 2000) <= 5
    assert change.effect / change.before == pytest.approx(factor - 1.0, rel=0.3)
    assert change.lower < change.effect < change.upper
    assert change.lower * change.upper > 0.0
    assert change.p_value < 1e-6


def test_wandering_without_a_step_has_next_to_no_changes() -> None:
    assert sum(len(FINDER.find(live(seed=seed), MINUTE)) for seed in range(20)) <= 1


def test_a_blip_of_a_few_rows_is_no_change() -> None:
    values = live()
    values[2000:2005] *= 1.5
    assert FINDER.find(values, MINUTE) == []


def test_load_is_taken_out() -> None:
    """A slow-down of 8 % is lost in load that moves the signal by half, and found without it."""
    values, load = busy()
    assert FINDER.find(values, MINUTE, load) == []
    values[2200:] *= 1.08
    (change,) = FINDER.find(values, MINUTE, load)
    assert 2200 <= change.detected < 2230
    assert change.effect / change.before == pytest.approx(0.08, abs=0.03)


def test_five_runs_after_a_step_suffice() -> None:
    found = 0
    for seed in range(20):
        values = history(205, seed)
        values[200:] *= 0.95
        found += any(195 <= one.index < 205 for one in FINDER.find(values, RUN))
    assert found >= 18


def test_a_history_without_a_step_has_few_standing_changes() -> None:
    standing = [
        one
        for seed in range(20)
        for one in FINDER.find(history(seed=seed), RUN)
        if one.withdrawn is None
    ]
    assert len(standing) <= 2


def test_an_excursion_of_ten_runs_is_withdrawn_when_it_is_over() -> None:
    values = history()
    values[150:160] *= 1.2
    changes = FINDER.find(values, RUN)
    first = changes[0]
    assert abs(first.index - 150) <= 2
    assert first.withdrawn is not None
    assert first.withdrawn > first.detected
    assert all(one.withdrawn is not None for one in changes)


@pytest.mark.parametrize("step", [MINUTE, RUN])
def test_what_was_said_did_not_need_the_future(step: float) -> None:
    """At the row of detection the same change is found in what was there by then."""
    values = live() if step == MINUTE else history(700)
    values[600:] *= 1.08
    values[650:] *= 1.08
    changes = FINDER.find(values, step)
    assert changes
    for change in changes:
        by_then = FINDER.find(values[: change.detected + 1], step)
        assert (change.index, change.effect) in [(one.index, one.effect) for one in by_then]


@pytest.mark.parametrize("step", [MINUTE, RUN])
def test_flat_short_and_unknown_series_have_no_change(step: float) -> None:
    for values in (np.full(3000, 5.0), np.array([]), np.full(900, np.nan), live(20)):
        assert FINDER.find(values, step) == []


def test_missing_rows_are_left_out_and_rows_keep_their_number() -> None:
    values = live()
    values[2000:] *= 1.06
    values[1500:1600] = np.nan
    (change,) = FINDER.find(values, MINUTE)
    assert abs(change.index - 2000) <= 5


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=20, max_size=120),
    st.sampled_from([MINUTE, RUN]),
)
def test_any_numbers_give_ordered_finite_changes(numbers: list[float], step: float) -> None:
    for one in FINDER.find(np.array(numbers), step):
        assert 0 <= one.index <= one.detected < len(numbers)
        assert all(map(np.isfinite, (one.before, one.after, one.lower, one.upper)))
        assert one.lower <= one.effect <= one.upper
        assert 0.0 <= one.p_value <= 1.0
