"""Histograms count where Prometheus would."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.counting import Histogram, one_two_five


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=40))
def test_a_bucket_counts_what_is_at_or_below_its_bound(seen: list[tuple[float, int]]) -> None:
    histogram = Histogram((1.0, 5.0, 50.0))
    for value, times in seen:
        histogram.observe(value, times)
    expected = [sum(times for value, times in seen if value <= bound) for bound in (1.0, 5.0, 50.0)]
    assert histogram.cumulated() == [*expected, histogram.count]
    assert abs(histogram.total - sum(value * times for value, times in seen)) < 1e-6


def test_multiplying_keeps_the_shape() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.5, 9.0):
        histogram.observe(value)
    histogram.multiply(7)
    assert histogram.cumulated() == [7, 14, 21]
    assert histogram.total == 77.0


def test_token_bounds_end_below_the_context_length() -> None:
    assert one_two_five(2048) == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
    assert one_two_five(32_768)[-3:] == (5000, 10_000, 20_000)
