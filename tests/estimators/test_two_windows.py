"""Two stretches compared: size, interval, significance, and whether it went away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.two_windows import compare, trimmed_least, trimmed_most, went_away


def test_finds_a_step_and_its_size() -> None:
    rng = np.random.default_rng(1)
    found = compare(rng.normal(1.0, 0.05, 100), rng.normal(1.1, 0.05, 40))
    assert found is not None
    assert found.effect == pytest.approx(0.1, abs=0.03)
    assert found.lower > 0.05
    assert found.p_value < 1e-6


def test_chance_is_called_significant_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(2)
    pairs = (compare(rng.normal(size=60), rng.normal(size=20)) for _ in range(600))
    false = sum(found is not None and found.p_value < 0.01 for found in pairs)
    assert false <= 12


def test_correlated_noise_is_not_mistaken_for_a_change() -> None:
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(200):
        noise = np.convolve(rng.normal(size=140), np.ones(5) / 5.0, mode="valid")
        found = compare(noise[:100], noise[100:])
        false += found is not None and found.p_value < 0.001
    assert false <= 2


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        found = compare(rng.normal(0.0, 1.0, 50), rng.normal(0.5, 1.0, 50))
        assert found is not None
        covered += found.lower <= 0.5 <= found.upper
    assert covered >= 388


def test_one_wild_point_decides_nothing() -> None:
    rng = np.random.default_rng(5)
    after = rng.normal(1.0, 0.05, 30)
    after[3] = 1000.0
    found = compare(rng.normal(1.0, 0.05, 100), after)
    assert found is not None
    assert abs(found.effect) < 0.1


def test_flat_data_is_not_infinitely_sure() -> None:
    found = compare(np.ones(50), np.ones(20))
    assert found is not None
    assert found.p_value == pytest.approx(1.0)


def test_too_little_is_no_comparison() -> None:
    assert compare(np.ones(2), np.ones(50)) is None
    assert compare(np.ones(50), np.array([1.0, np.nan, np.nan, 2.0])) is None


@settings(max_examples=50)
@given(st.floats(-100.0, 100.0), st.floats(0.01, 50.0))
def test_the_unit_does_not_matter(shift: float, scale: float) -> None:
    rng = np.random.default_rng(6)
    before, after = rng.normal(0.0, 1.0, 40), rng.normal(1.0, 1.0, 40)
    plain = compare(before, after)
    moved = compare(before * scale + shift, after * scale + shift)
    assert plain is not None
    assert moved is not None
    assert moved.effect == pytest.approx(plain.effect * scale, rel=1e-6)
    assert moved.p_value == pytest.approx(plain.p_value, rel=1e-4)


def test_a_step_that_stays_has_not_gone_away_and_a_blip_has() -> None:
    before = np.zeros(50)
    assert not went_away(before, np.ones(20))
    assert went_away(before, np.concatenate([np.ones(14), np.zeros(6)]))
    assert went_away(before, np.full(5, np.nan))


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60))
def test_a_trimmed_mean_lies_between_the_bounds_that_need_no_mean(values: list[float]) -> None:
    known = np.array(values)
    found = compare(known, known)
    assert found is not None
    slack = 1e-9 * max(1.0, float(np.abs(known).max()))
    assert trimmed_least(known) - slack <= found.before <= trimmed_most(known) + slack
