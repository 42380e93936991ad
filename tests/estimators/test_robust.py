"""Location and scale that a few wild points cannot move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimators import robust

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=60)


@given(NUMBERS, st.floats(1e6, 1e12))
def test_one_wild_point_in_many_moves_the_median_no_further_than_its_neighbour(
    values: list[float], wild: float
) -> None:
    ordered = np.sort(np.array(values))
    spoilt = np.append(ordered, wild)
    assert ordered[0] <= robust.median(spoilt) <= ordered[-1]


def test_spread_is_sigma_for_normal_data() -> None:
    values = np.random.default_rng(1).normal(10.0, 3.0, 20_000)
    assert robust.spread(values) == pytest.approx(3.0, rel=0.03)


def test_spread_survives_a_third_of_wild_points() -> None:
    values = np.random.default_rng(1).normal(10.0, 3.0, 3000)
    values[:900] = 1e9
    assert robust.spread(values) < 9.0


def test_spread_of_mostly_equal_values_is_not_zero() -> None:
    assert robust.spread(np.array([1.0, 1.0, 1.0, 1.0, 2.0])) > 0.0


def test_nothing_known_is_nan_and_never_zero() -> None:
    empty = np.array([np.nan, np.inf])
    assert np.isnan(robust.median(empty))
    assert np.isnan(robust.spread(empty))
    assert robust.winsorised(empty).size == 0


@given(NUMBERS)
def test_winsorising_keeps_the_count_and_narrows_the_range(values: list[float]) -> None:
    array = np.array(values)
    pulled = robust.winsorised(array)
    assert pulled.size == array.size
    assert pulled.min() >= array.min()
    assert pulled.max() <= array.max()


def test_correlated_samples_are_worth_fewer_than_independent_ones() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=1000)
    walk = np.convolve(noise, np.ones(10) / 10.0, mode="same")
    assert robust.effective_size(noise) > 900.0
    assert robust.effective_size(walk) < 150.0


@given(NUMBERS)
def test_no_series_is_worth_more_than_its_length(values: list[float]) -> None:
    assert 1.0 <= robust.effective_size(np.array(values)) <= len(values)


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5, 0.9, 0.95, 1.0]),
)
def test_median_and_quantile_of_a_row_are_those_of_numpy(values: list[float], share: float) -> None:
    row = np.array(values)
    assert robust.middle_of(row) == np.median(row)
    assert robust.quantile_of(row, share) == np.quantile(row, share)
