"""Signals evaluated over arrays, as Prometheus 3 would evaluate what `store.promql` renders.

The one thing Prometheus does not have is *first_values*: see `store.windows.increase`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from store.columns import Millis
from store.histograms import quantile
from store.leaves import Leaf, Table, inner, leaf_of, leaves, tables
from store.rows import Rows, stacked
from store.selection import Source
from vocabulary.errors import StoreError
from vocabulary.expressions import By, Expr, Increase, Last, Late, Over, Quantile, Rate, Ratio
from vocabulary.samples import Array, Frame, empty_frame


def evaluate(expr: Expr, source: Source, moments: Millis, *, first_values: bool = False) -> Frame:
    """*expr* at *moments* over the samples of *source*; rows in the order of their labels.

    Raises:
        StoreError: Labels that must be unique are not, or the question is too large.
    """
    return evaluate_together([expr], source, moments, first_values=first_values)[0]


def evaluate_together(
    exprs: Sequence[Expr], source: Source, moments: Millis, *, first_values: bool = False
) -> list[Frame]:
    """Several expressions at the same *moments*, for little more than the price of one.

    Raises:
        StoreError: As `evaluate`, of any of them.
    """
    times = moments / 1000.0
    if not len(moments):
        return [empty_frame(times) for _ in exprs]
    wanted = dict.fromkeys(leaf for expr in exprs for leaf in leaves(expr))
    evaluation = _Evaluation(tables(wanted, source, moments, first_values=first_values))
    return [_frame(evaluation.value(expr), times) for expr in exprs]


def _frame(table: Table, times: Array) -> Frame:
    rows, order = table.rows.ordered()
    values = table.values[order]
    held = ~np.isnan(values).all(axis=1)
    if held.all():
        return Frame(rows.labels, times, values)
    places = np.flatnonzero(held)
    return Frame(rows.some(places.tolist()).labels, times, values[places])


@dataclass(frozen=True, slots=True)
class _Evaluation:
    leaves: Mapping[Leaf, Table]

    def value(self, expr: Expr) -> Table:
        if isinstance(expr, Last | Rate | Increase | Over):
            rows, values = self.leaves[leaf_of(expr)]
            return (
                Table(rows, values / expr.window) if isinstance(expr, Rate) else Table(rows, values)
            )
        below = [self.value(one) for one in inner(expr)]
        match expr:
            case By(how, _, labels):
                return _grouped(how, below[0], frozenset(labels))
            case Ratio(_, _, on):
                return _divided(below[0], below[1], frozenset(on))
            case Quantile(q, _, by, _, _):
                return _quantiles(q, below[0], frozenset(by))
            case Late(_, _, by, _, _):
                return _late(below[0], below[1:], frozenset(by))
            case _:
                return Table(below[0].rows, below[0].values * expr.factor)


def _grouped(how: str, table: Table, wanted: frozenset[str]) -> Table:
    """Rows with equal labels folded into one; absent values take no part."""
    if not len(table.rows):
        return Table(Rows(()), table.values)
    groups, order, starts = table.rows.groups(wanted)
    values = table.values[order]
    if len(groups) == len(values) and how in {"sum", "max", "min", "avg"}:
        return Table(groups, values)  # each row is a group of its own
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
    return Table(groups, np.where(count > 0, folded, np.nan))


def _divided(top: Table, bottom: Table, on: frozenset[str]) -> Table:
    """Row by row on equal labels; no value where the divisor is zero."""
    rows, mine, theirs = top.rows.pairs(bottom.rows, on)
    divisor = bottom.values[theirs]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = top.values[mine] / divisor
    return Table(rows, np.where(divisor == 0, np.nan, values))


def _late(every: Table, within: Sequence[Table], by: frozenset[str]) -> Table:
    """The share of what was counted that lies in none of the buckets *within*."""
    parts = Table(
        stacked([one.rows for one in within]), np.concatenate([one.values for one in within])
    )
    share = _divided(_grouped("sum", parts, by), _grouped("sum", every, by), by)
    return Table(share.rows, 1.0 - share.values)


def _quantiles(q: float, buckets: Table, by: frozenset[str]) -> Table:
    summed = _grouped("sum", buckets, by | {"le"})
    rows, each = summed.rows.buckets(by - {"le"})
    moments = buckets.values.shape[1]
    values = np.full((len(rows), moments), np.nan)
    for bounds, places, owners in each:  # histograms with the same buckets are solved together
        counts = summed.values[places].reshape(len(bounds), -1)
        values[owners] = quantile(q, bounds, counts).reshape(-1, moments)
    return Table(rows, values)
