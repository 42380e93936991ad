"""When it began."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimators.onset import crossing_time, run_start, step_time

TIMES = np.arange(100.0)


def test_a_run_starts_after_the_last_break() -> None:
    values = np.where(TIMES < 60.0, 0.0, 1.0)
    assert run_start(TIMES, values, values > 0.5) == 60.0


def test_missing_values_neither_break_a_run_nor_begin_one() -> None:
    values = np.where(TIMES < 60.0, 0.0, 1.0)
    values[[58, 59, 60, 70, 99]] = np.nan
    assert run_start(TIMES, values, values > 0.5) == 61.0


def test_a_condition_that_no_longer_holds_has_no_run() -> None:
    values = np.where(TIMES < 99.0, 1.0, 0.0)
    assert run_start(TIMES, values, values > 0.5) is None
    assert run_start(TIMES, np.full(100, np.nan), np.zeros(100, dtype=bool)) is None


@given(st.integers(5, 94), st.integers(0, 1000))
def test_a_step_is_dated_to_the_sample(at: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0.0, 0.05, 100)
    found = step_time(TIMES, np.where(at > TIMES, 0.0, 1.0) + noise)
    assert found == pytest.approx(at, abs=1.0)


def test_too_few_points_have_no_step() -> None:
    assert step_time(TIMES[:5], np.arange(5.0)) is None


@pytest.mark.parametrize("after", [0.2, 0.9])
def test_a_crossing_is_where_the_second_level_begins_and_no_smaller_move_before(
    after: float,
) -> None:
    rng = np.random.default_rng(5)
    level = np.where(TIMES[40] > TIMES, 0.5, 0.5 + 0.25 * (after - 0.5))  # a small move at 40
    level = np.where(TIMES[80] > TIMES, level, after)
    row = level + rng.normal(0.0, 0.03, TIMES.size)
    row[20] = after * 100.0  # a spike
    row[85] = np.nan
    found = crossing_time(TIMES, row, 0.5, after)
    assert found is not None
    assert abs(found - TIMES[80]) <= 2 * (TIMES[1] - TIMES[0])


def test_nothing_known_and_no_move_have_no_crossing() -> None:
    assert crossing_time(TIMES, np.full(TIMES.size, np.nan), 0.0, 1.0) is None
    assert crossing_time(TIMES, np.ones(TIMES.size), 1.0, 1.0) is None
