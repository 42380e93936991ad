"""Quantiles of classic histograms, by the rules Prometheus documents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.histograms import quantile

INF = np.inf


def one(q: float, bounds: list[float], counts: list[float]) -> float:
    return float(quantile(q, np.array(bounds), np.array(counts, dtype=float)[:, None])[0])


@pytest.mark.parametrize(
    ("q", "bounds", "counts", "expected"),
    [
        (0.5, [1, 2, INF], [10, 20, 20], 1.0),
        (0.75, [1, 2, INF], [10, 20, 20], 1.5),
        (0.25, [1, 2, INF], [10, 20, 20], 0.5),
        (0.99, [1, 2, INF], [10, 20, 40], 2.0),  # beyond the last bound: that bound
        (0.1, [-1, 2, INF], [10, 20, 20], -1.0),  # no lower end is known below zero
        (1.1, [1, INF], [1, 1], INF),
        (-0.1, [1, INF], [1, 1], -INF),
        (0.75, [2, INF, 1], [20, 20, 10], 1.5),  # the order of buckets is nobody's promise
        (0.75, [1, 1, 2, INF], [4, 6, 20, 20], 1.5),  # `1` and `1.0` are one bucket
        (0.75, [1, 2, 3, INF], [10, 20, 15, 20], 1.5),  # a count that falls is levelled
    ],
)
def test_interpolates(q: float, bounds: list[float], counts: list[float], expected: float) -> None:
    assert one(q, bounds, counts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("q", "bounds", "counts"),
    [
        (0.5, [1, 2], [1, 2]),  # no bucket up to +Inf
        (0.5, [INF], [2]),  # a single one
        (0.5, [1, INF], [0, 0]),  # nothing observed
        (np.nan, [1, INF], [1, 1]),
        (0.5, [1, INF], [np.nan, np.nan]),
    ],
)
def test_does_not_know(q: float, bounds: list[float], counts: list[float]) -> None:
    assert np.isnan(one(q, bounds, counts))


def test_an_absent_bucket_is_passed_over_at_that_moment_alone() -> None:
    counts = np.array([[10.0, np.nan], [20.0, 20.0], [20.0, 20.0]])
    found = quantile(0.25, np.array([1.0, 2.0, INF]), counts)
    assert found.tolist() == [0.5, 0.5]
    found = quantile(0.75, np.array([1.0, 2.0, INF]), counts)
    assert found.tolist() == [1.5, 1.5]


def test_a_rounding_error_between_counts_is_no_observation() -> None:
    third = 0.1 + 0.2
    assert one(0.999999999999, [1, 2, 3, INF], [0.3, third, third, third]) == pytest.approx(1.0)


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.floats(0, 1), st.floats(0.01, 100)
)
def test_lies_within_the_bounds_and_rises_with_q(parts: list[int], q: float, scale: float) -> None:
    counts = np.cumsum(parts).astype(float) * scale
    bounds = [0.1, 0.5, 2.0, INF]
    low, high = one(q / 2, bounds, counts.tolist()), one(q, bounds, counts.tolist())
    if counts[-1] == 0:
        assert np.isnan(high)
    elif not np.isnan(low):
        assert 0 <= low <= high <= 2.0 or high == pytest.approx(2.0)
