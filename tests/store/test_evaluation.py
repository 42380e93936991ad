"""Signals over arrays: the rules of ranges, resets, marks, groups and ratios."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from store.columns import Columns, Piece, grid, side_by_side
from store.evaluation import evaluate
from store.selection import Selection, Selector, Source, selection
from vocabulary.errors import StoreError
from vocabulary.expressions import (
    By,
    Expr,
    Increase,
    Last,
    Late,
    Match,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
)
from vocabulary.metrics import Kind, Metric
from vocabulary.samples import Frame, labels_of

C = Metric("c_total", Kind.COUNTER, "1", "", "c")
G = Metric("g", Kind.GAUGE, "1", "", "g")
H = Metric("h_seconds", Kind.HISTOGRAM, "s", "", "h")
NAN = np.nan

Given = tuple[str, dict[str, str], Sequence[float], Sequence[float]]


def source_of(*given_series: Given, births: bool = False) -> Source:
    """A source of series (name, labels, times in seconds, values)."""

    def source(selectors: Sequence[Selector], after: int, until: int) -> Selection:
        return selection([found(*one, after, until) for one in selectors])

    def found(name: str, match: Match, after: int, until: int) -> Columns:
        pieces = []
        for own, labels, seconds, values in given_series:
            if own != name or any(labels.get(key, "") != value for key, value in match):
                continue
            times = np.rint(np.array(seconds, dtype=float) * 1000).astype(np.int64)
            inside = (times > after) & (times <= until)
            birth = {"birth": int(times[0])} if births else {}
            pieces.append(
                Piece(labels_of(labels), times[inside], np.array(values, float)[inside], **birth)
            )
        return side_by_side(pieces)

    return source


def asked(expr: Expr, *given_series: Given, at: Sequence[float], **options: bool) -> Frame:
    step = at[1] - at[0] if len(at) > 1 else 1.0
    births = options.get("first_values", False)
    source = source_of(*given_series, births=births)
    return evaluate(expr, source, grid(at[0], at[-1], step), **options)


def only(expr: Expr, *given_series: Given, at: float, **options: bool) -> float:
    frame = asked(expr, *given_series, at=[at], **options)
    assert len(frame.labels) <= 1
    return float(frame.values[0, 0]) if frame.labels else NAN


# -- instants and marks ---------------------------------------------------------------------------


def test_an_instant_looks_back_five_minutes_and_not_to_the_very_edge() -> None:
    series = ("g", {}, [100.0], [7.0])
    frame = asked(Last(G), series, at=[99.0, 100.0])
    assert np.array_equal(frame.values, [[NAN, 7.0]], equal_nan=True)
    assert only(Last(G), series, at=399.999) == 7.0
    assert np.isnan(only(Last(G), series, at=400.0))


def test_a_mark_ends_a_series_at_once_and_a_new_sample_begins_it_again() -> None:
    series = ("g", {}, [0, 15, 30], [1.0, NAN, 3.0])
    frame = asked(Last(G), series, at=[0.0, 15.0, 30.0])
    assert np.array_equal(frame.values, [[1.0, NAN, 3.0]], equal_nan=True)


def test_windows_look_through_a_mark() -> None:
    series = ("c_total", {}, [0, 15, 30, 45], [0.0, 15.0, NAN, 45.0])
    assert only(Rate(C, 60.0), series, at=50.0) == pytest.approx(45 / 45 * 50 / 60)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("max", 9.0), ("min", 2.0), ("avg", 16 / 3), ("count", 3.0), ("last", 5.0)],
)
def test_over_time_folds_what_is_inside(how: str, expected: float) -> None:
    series = ("g", {}, [10, 20, 30, 40, 50], [100.0, 9.0, 2.0, 5.0, 100.0])
    assert only(Over(how, G, 30.0), series, at=40.0) == pytest.approx(expected)
    assert np.isnan(only(Over(how, G, 3.0), series, at=19.0))


# -- counters -------------------------------------------------------------------------------------


def test_a_sample_on_the_left_edge_is_outside_and_one_on_the_right_inside() -> None:
    series = ("g", {}, [0, 30, 60], [1.0, 1.0, 1.0])
    assert only(Over("count", G, 60.0), series, at=60.0) == 2.0


def test_one_sample_is_no_rate() -> None:
    assert np.isnan(only(Rate(C, 60.0), ("c_total", {}, [30], [5.0]), at=40.0))


def test_a_reset_counts_what_came_after_it() -> None:
    series = ("c_total", {}, [0, 10, 20, 30], [100.0, 110.0, 5.0, 15.0])
    # 10 before the reset, 15 after it, over a window that the samples span but for its edges.
    assert only(Increase(C, 40.0), series, at=35.0) == pytest.approx(25 * 40 / 30)


def test_nothing_is_extrapolated_to_an_edge_that_is_far() -> None:
    series = ("c_total", {}, [40, 50], [1000.0, 1010.0])
    # Half an interval at the far left edge, the whole way to the near right one.
    assert only(Increase(C, 60.0), series, at=55.0) == pytest.approx(10 * (10 + 5 + 5) / 10)


def test_nothing_is_extrapolated_below_zero() -> None:
    series = ("c_total", {}, [10, 20], [1.0, 11.0])
    assert only(Increase(C, 30.0), series, at=25.0) == pytest.approx(10 * (10 + 1 + 5) / 10)


def by_hand(times: list[int], values: list[float], end: int, width: int) -> float:
    """The increase over one window, one step after the other."""
    inside = [(t, v) for t, v in zip(times, values, strict=True) if end - width < t <= end]
    if len(inside) < 2:
        return NAN
    grown = inside[-1][1] - inside[0][1]
    for (_, before), (_, after) in itertools.pairwise(inside):
        grown += before if after < before else 0.0
    sampled = (inside[-1][0] - inside[0][0]) / 1000
    interval = sampled / (len(inside) - 1)
    left, right = (inside[0][0] - (end - width)) / 1000, (end - inside[-1][0]) / 1000
    left = interval / 2 if left >= interval * 1.1 else left
    right = interval / 2 if right >= interval * 1.1 else right
    if grown > 0 and inside[0][1] >= 0:
        left = min(left, sampled * inside[0][1] / grown)
    return grown * (sampled + left + right) / sampled


counters = st.lists(
    st.tuples(st.integers(1, 40_000), st.integers(0, 1000) | st.floats(0, 1e6)),
    min_size=1,
    max_size=30,
)


@given(st.lists(counters, min_size=1, max_size=4), st.integers(1, 200_000), st.integers(1, 90_000))
def test_many_ragged_counters_at_once_are_what_each_is_alone(
    many: list[list[tuple[int, float]]], width: int, step: int
) -> None:
    series = []
    for number, rows in enumerate(many):
        times = np.cumsum([gap for gap, _ in rows]).tolist()
        series.append((number, times, [float(value) for _, value in rows]))
    frame = evaluate(
        Increase(C, width / 1000),
        source_of(
            *[
                ("c_total", {"n": str(n)}, [t / 1000 for t in times], values)
                for n, times, values in series
            ]
        ),
        grid(0.0, 40 * step / 1000, step / 1000),
    )
    for number, times, values in series:
        row = frame.row(n=str(number))
        found = np.full(len(frame.times), NAN) if row is None else row
        moments = np.rint(frame.times * 1000).astype(int).tolist()
        expected = [by_hand(times, values, end, width) for end in moments]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        assert not (found < 0).any(), "a reset never makes a counter fall"


@given(
    st.floats(0.01, 1e6),
    st.integers(1, 60),
    st.integers(2, 20),
    st.integers(2, 20),
    st.integers(10, 990).map(lambda millis: millis / 1000.0),
)
def test_increases_over_adjacent_windows_add_up(
    slope: float, interval: int, first: int, second: int, offset: float
) -> None:
    count = first + second + 2
    times = [interval * (n + offset) for n in range(-1, count)]
    series = ("c_total", {}, times, [1e3 * slope * interval + slope * t for t in times])
    middle, end = interval * first, interval * (first + second)
    parts = only(Increase(C, float(middle)), series, at=float(middle)) + only(
        Increase(C, float(end - middle)), series, at=float(end)
    )
    assume(min(first, second) * interval > 1)
    whole = only(Increase(C, float(end)), series, at=float(end))
    assert parts == pytest.approx(whole, rel=1e-6)
    assert whole == pytest.approx(slope * end, rel=1e-6)


# -- the first value of a new series ---------------------------------------------------------------


def test_the_first_value_counts_when_asked_for_and_seen_to_begin() -> None:
    series = ("c_total", {"tenant": "new"}, [100], [500.0])
    assert np.isnan(only(Increase(C, 60.0), series, at=110.0))
    assert only(Increase(C, 60.0), series, at=110.0, first_values=True) == 500.0
    assert only(Rate(C, 50.0), series, at=110.0, first_values=True) == 10.0
    assert np.isnan(only(Increase(C, 60.0), series, at=161.0, first_values=True))


def test_the_first_value_counts_once() -> None:
    series = ("c_total", {}, [100, 115, 130], [500.0, 600.0, 650.0])
    inside = only(Increase(C, 60.0), series, at=130.0, first_values=True)
    assert inside == pytest.approx(650.0)
    later = only(Increase(C, 20.0), series, at=130.0, first_values=True)
    assert later == only(Increase(C, 20.0), series, at=130.0)


# -- groups, ratios, quantiles ---------------------------------------------------------------------


def test_groups_fold_what_is_there_and_only_that() -> None:
    series: list[Given] = [
        ("g", {"pool": "a", "pod": "1"}, [0], [1.0]),
        ("g", {"pool": "a", "pod": "2"}, [10], [5.0]),
        ("g", {"pod": "3"}, [0], [7.0]),
    ]
    expected = {"sum": [1.0, 6.0], "max": [1.0, 5.0], "min": [1.0, 1.0], "avg": [1.0, 3.0]}
    for how, values in {**expected, "count": [1.0, 2.0]}.items():
        frame = asked(By(how, Last(G), ("pool",)), *series, at=[0.0, 10.0])
        assert frame.labels == ((), (("pool", "a"),)), "a label that is absent is no label"
        assert frame.where(pool="a").values.tolist() == [values]


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(StoreError, match="median"):
        only(By("median", Last(G), ()), ("g", {}, [0], [1.0]), at=0.0)


def test_a_ratio_has_no_value_where_the_divisor_is_zero_or_absent() -> None:
    ratio = Ratio(Last(G), Last(C), ("pod",))
    frame = asked(
        ratio,
        ("g", {"pod": "1", "x": "y"}, [0, 10], [6.0, 0.0]),
        ("c_total", {"pod": "1"}, [0, 10], [0.0, 2.0]),
        ("g", {"pod": "2"}, [0], [1.0]),
        at=[0.0, 10.0],
    )
    assert frame.labels == ((("pod", "1"),),)
    assert np.array_equal(frame.values, [[NAN, 0.0]], equal_nan=True)


def test_a_ratio_of_what_is_not_unique_is_refused() -> None:
    with pytest.raises(StoreError, match="more than one series"):
        only(
            Ratio(Last(G), Last(C), ()),
            ("g", {"pod": "1"}, [0], [1.0]),
            ("g", {"pod": "2"}, [0], [1.0]),
            ("c_total", {}, [0], [1.0]),
            at=0.0,
        )


def test_quantiles_aggregate_before_they_interpolate_and_pass_over_nonsense() -> None:
    def bucket(pod: str, le: str, count: float) -> Given:
        return ("h_seconds_bucket", {"pod": pod, "le": le}, [0, 30, 60], [0.0, count / 2, count])

    series = [
        *(bucket("1", le, count) for le, count in (("1.0", 10), ("2.0", 10), ("+Inf", 10))),
        *(bucket("2", le, count) for le, count in (("1.0", 0), ("2.0", 10), ("+Inf", 10))),
        bucket("2", "no number", 99),
    ]
    assert only(Quantile(0.75, H, (), 60.0), *series, at=60.0) == pytest.approx(1.5)


def test_late_is_the_share_above_one_bound_however_it_is_spelt() -> None:
    def part(name: str, count: float, **labels: str) -> Given:
        return (f"h_seconds_{name}", labels, [0, 30, 60], [0.0, count / 2, count])

    series = [
        part("bucket", 8, pod="1", le="5"), part("count", 10, pod="1"),
        part("bucket", 4, pod="2", le="5.0"), part("count", 10, pod="2"),
        part("bucket", 9, pod="2", le="10.0"),
    ]  # fmt: skip
    assert only(Late(H, 5.0, (), 60.0), *series, at=60.0) == pytest.approx(0.4)


def test_late_has_no_value_without_a_bucket_at_the_bound() -> None:
    series: Given = ("h_seconds_count", {}, [0, 30, 60], [0.0, 5.0, 10.0])
    assert np.isnan(only(Late(H, 5.0, (), 60.0), series, at=60.0))


def test_scaling_scales() -> None:
    assert only(Scaled(Last(G), 3600.0), ("g", {}, [0], [0.5]), at=0.0) == 1800.0


# -- questions ------------------------------------------------------------------------------------


def test_nothing_measured_is_no_row() -> None:
    assert asked(Last(G), at=[0.0, 10.0]).labels == ()
    assert asked(Last(G), ("g", {}, [500], [1.0]), at=[0.0, 10.0]).labels == ()
    assert asked(Ratio(Last(G), Last(C), ()), at=[0.0]).empty


def test_a_backward_range_is_empty() -> None:
    assert len(grid(10.0, 0.0, 1.0)) == 0


@pytest.mark.parametrize("step", [0.0, -1.0, 1e-6])
def test_a_step_must_move(step: float) -> None:
    with pytest.raises(StoreError, match="step"):
        grid(0.0, 10.0, step)


def test_a_question_has_a_bound() -> None:
    with pytest.raises(StoreError, match="widen the step"):
        grid(0.0, 1e9, 1.0)
    source = source_of(*[("g", {"n": str(n)}, [0], [1.0]) for n in range(300)])
    with pytest.raises(StoreError, match="widen the step"):
        evaluate(Last(G), source, grid(0.0, 90_000.0, 1.0))


def test_moments_include_the_end() -> None:
    assert grid(0.0, 1.0, 0.1).tolist() == list(range(0, 1001, 100))
