"""Signals evaluated over arrays, as Prometheus 3 would evaluate what `store.promql` renders.

The one thing Prometheus does not have is *first_values*: see `store.windows.increase`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from store.columns import Columns, Millis, Source
from store.histograms import quantile
from store.windows import LOOKBACK, increase, latest, over, windows
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
    bound_spellings,
)
from vocabulary.metrics import Metric
from vocabulary.samples import Array, Frame, Labels, empty_frame

MOST_CELLS = 20_000_000
"""Values one expression may have between its parts: 160 MB (our judgement)."""

_MOST_GROUPINGS = 512
"""Groupings of rows that are remembered, one of each question (our judgement)."""

_BLOCK = 65_536
"""Values computed at once, so that temporary arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    labels: Sequence[Labels]
    values: Array


def evaluate(expr: Expr, source: Source, moments: Millis, *, first_values: bool = False) -> Frame:
    """*expr* at *moments* over the samples of *source*; rows in the order of their labels.

    Raises:
        StoreError: Labels that must be unique are not, or the question is too large.
    """
    times = moments / 1000.0
    if not len(moments):
        return empty_frame(times)
    table = _Evaluation(source, moments, first_values).value(expr)
    keep = np.flatnonzero(~np.isnan(table.values).all(axis=1)).tolist()
    keep.sort(key=lambda row: table.labels[row])
    return Frame(tuple(table.labels[row] for row in keep), times, table.values[keep])


@dataclass(frozen=True, slots=True)
class _Evaluation:
    source: Source
    moments: Millis
    first_values: bool

    def value(self, expr: Expr) -> _Table:  # noqa: PLR0911 - one for each word of the language
        match expr:
            case Last(metric, match):
                return self._leaf(metric.name, match, LOOKBACK, latest, marks=True)
            case Rate(metric, window, match, part):
                return self._rate(part_of(metric, part), match, window)
            case Increase(metric, window, match, part):
                return self._increase(part_of(metric, part), match, window)
            case Over(how, metric, window, match):
                width = round(window * 1000)
                return self._leaf(
                    metric.name, match, width, lambda c, m: over(how, windows(c, m, width))
                )
            case Quantile(q, metric, by, window, match):
                buckets = self._rate(part_of(metric, "bucket"), match, window)
                return _quantiles(q, _grouped("sum", buckets, (*by, "le")), by)
            case Late(metric, bound, by, window, match):
                return self._late(metric, bound, by, window, match)
            case By(how, inner, labels):
                return _grouped(how, self.value(inner), labels)
            case Ratio(top, bottom, on):
                return _divided(self.value(top), self.value(bottom), on)
            case Scaled(inner, factor):
                table = self.value(inner)
                return _Table(table.labels, table.values * factor)

    def _late(
        self, metric: Metric, bound: float, by: Sequence[str], window: float, match: Match
    ) -> _Table:
        name = part_of(metric, "bucket")
        parts = [
            self._rate(name, (*match, ("le", spelling)), window)
            for spelling in bound_spellings(bound)
        ]
        every = _grouped("sum", self._rate(part_of(metric, "count"), match, window), by)
        in_time = _grouped("sum", _stacked(parts), by)
        share = _divided(in_time, every, by)
        return _Table(share.labels, 1.0 - share.values)

    def _rate(self, name: str, match: Match, window: float) -> _Table:
        table = self._increase(name, match, window)
        return _Table(table.labels, table.values / window)

    def _increase(self, name: str, match: Match, window: float) -> _Table:
        width = round(window * 1000)
        return self._leaf(
            name,
            match,
            width,
            lambda c, m: increase(windows(c, m, width), first_values=self.first_values),
        )

    def _leaf(
        self,
        name: str,
        match: Match,
        width: int,
        compute: Callable[[Columns, Millis], Array],
        *,
        marks: bool = False,
    ) -> _Table:
        first, last = int(self.moments[0]), int(self.moments[-1])
        columns = self.source(name, match, first - width, last)
        columns = columns if marks else columns.without_marks()
        if len(columns) * len(self.moments) > MOST_CELLS:
            raise StoreError(
                f"{name}: {len(columns)} series at {len(self.moments)} moments are more than "
                f"{MOST_CELLS} values; widen the step or shorten the range"
            )
        values = np.full((len(columns), len(self.moments)), np.nan)
        each = max(1, _BLOCK // len(self.moments))
        for start in range(0, len(columns), each):
            part = columns.part(start, min(start + each, len(columns)))
            if len(part.times):
                values[start : start + each] = compute(part, self.moments)
        return _Table(columns.labels, values)


def part_of(metric: Metric, part: str) -> str:
    """The name a metric's samples bear, or those of one *part* of a histogram."""
    return f"{metric.name}_{part}" if part else metric.name


def _stacked(tables: Sequence[_Table]) -> _Table:
    """The rows of all *tables*."""
    labels = [one for table in tables for one in table.labels]
    return _Table(labels, np.concatenate([table.values for table in tables]))


def _only(labels: Labels, wanted: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in wanted)


@lru_cache(maxsize=_MOST_GROUPINGS)
def _groups(
    rows: tuple[Labels, ...], wanted: frozenset[str]
) -> tuple[tuple[Labels, ...], Millis, Millis]:
    """What is left of *rows* when only *wanted* labels count: each group once, the rows in the
    order of their groups, and where each group begins. The same series are asked for tick by tick.
    """  # noqa: D205 - one sentence does not hold it
    numbers: dict[Labels, int] = {}
    owner = np.array(
        [numbers.setdefault(_only(one, wanted), len(numbers)) for one in rows], np.int64
    )
    order = np.argsort(owner, kind="stable")
    return tuple(numbers), order, np.searchsorted(owner[order], np.arange(len(numbers)))


def _grouped(how: str, table: _Table, labels: Sequence[str]) -> _Table:
    """Rows with equal *labels* folded into one; absent values take no part."""
    if not table.labels:
        return _Table((), table.values)
    groups, order, starts = _groups(tuple(table.labels), frozenset(labels))
    values = table.values[order]
    absent = np.isnan(values)
    count = np.add.reduceat((~absent).astype(np.float64), starts, axis=0)
    match how:
        case "count":
            folded = count
        case "max":
            folded = np.maximum.reduceat(np.where(absent, -np.inf, values), starts, axis=0)
        case "min":
            folded = np.minimum.reduceat(np.where(absent, np.inf, values), starts, axis=0)
        case "sum" | "avg":
            folded = np.add.reduceat(np.where(absent, 0.0, values), starts, axis=0)
            folded = folded / np.maximum(count, 1) if how == "avg" else folded
        case _:
            raise StoreError(f"no aggregation is called {how!r}: use sum, max, min, avg or count")
    return _Table(groups, np.where(count > 0, folded, np.nan))


def _divided(top: _Table, bottom: _Table, on: Sequence[str]) -> _Table:
    """Row by row on equal labels; no value where the divisor is zero."""
    above, below = _unique_rows(top, on), _unique_rows(bottom, on)
    both = [labels for labels in above if labels in below]
    divisor = bottom.values[[below[labels] for labels in both]]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = top.values[[above[labels] for labels in both]] / divisor
    return _Table(both, np.where(divisor == 0, np.nan, values))


def _unique_rows(table: _Table, on: Sequence[str]) -> dict[Labels, int]:
    wanted = frozenset(on)
    rows: dict[Labels, int] = {}
    for index, labels in enumerate(table.labels):
        key = _only(labels, wanted)
        if rows.setdefault(key, index) != index:
            raise StoreError(
                f"more than one series has {dict(key)}: aggregate by {', '.join(on)} "
                "before dividing"
            )
    return rows


def _quantiles(q: float, buckets: _Table, by: Sequence[str]) -> _Table:
    wanted = frozenset(by) - {"le"}
    groups: dict[Labels, tuple[list[float], list[int]]] = {}
    for index, labels in enumerate(buckets.labels):
        try:
            bound = float(dict(labels).get("le", ""))
        except ValueError:
            continue  # no bucket; Prometheus passes it over with a warning
        bounds, rows = groups.setdefault(_only(labels, wanted), ([], []))
        bounds.append(bound)
        rows.append(index)
    values = [
        quantile(q, np.array(bounds), buckets.values[rows]) for bounds, rows in groups.values()
    ]
    shape = (len(groups), buckets.values.shape[1])
    return _Table(tuple(groups), np.array(values).reshape(shape))
