"""The leaves of expressions: what is made of samples directly, many leaves at once.

Nearly all the cost of a small question is the same for any number of series, so leaves that look
through equal windows share one selection and one computation, whichever signals they belong to.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from store.columns import Columns, Millis
from store.rows import Rows
from store.selection import Selector, Source
from store.windows import LOOKBACK, increase, latest, over, windows
from vocabulary.errors import StoreError
from vocabulary.expressions import (
    By,
    Expr,
    Increase,
    Last,
    Late,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
    bound_spellings,
)
from vocabulary.metrics import Metric
from vocabulary.samples import Array

MOST_CELLS = 20_000_000
"""Values one expression may have between its parts: 160 MB (our judgement)."""

_BLOCK = 65_536
"""Values computed at once, so that temporary arrays stay in the processor's cache."""
_LATEST, _INCREASE = "latest", "increase"
_MOST_EXPRESSIONS = 1024


class Leaf(NamedTuple):
    """A selector and what is made of its samples."""

    how: str
    """`latest`, `increase`, or an aggregate over time."""
    width: int
    """Milliseconds looked back."""
    selector: Selector


class Table(NamedTuple):
    """Values of rows at moments."""

    rows: Rows
    values: Array


def part_of(metric: Metric, part: str) -> str:
    """The name a metric's samples bear, or those of one *part* of a histogram."""
    return f"{metric.name}_{part}" if part else metric.name


def inner(expr: Expr) -> tuple[Expr, ...]:
    """The expressions right below *expr*; none below a leaf."""
    match expr:
        case By(_, one, _) | Scaled(one, _):
            return (one,)
        case Ratio(top, bottom, _):
            return (top, bottom)
        case Quantile(_, metric, _, window, match):
            return (Rate(metric, window, match, "bucket"),)
        case Late(metric, bound, _, window, match):
            spelled = ((*match, ("le", spelling)) for spelling in bound_spellings(bound))
            within = (Rate(metric, window, one, "bucket") for one in spelled)
            return (Rate(metric, window, match, "count"), *within)
        case _:
            return ()


def leaf_of(expr: Last | Rate | Increase | Over) -> Leaf:
    """What *expr* asks of samples; a rate is an increase, divided later."""
    match expr:
        case Last(metric, match):
            return Leaf(_LATEST, LOOKBACK, (metric.name, match))
        case Rate(metric, window, match, part) | Increase(metric, window, match, part):
            return Leaf(_INCREASE, round(window * 1000), (part_of(metric, part), match))
        case Over(how, metric, window, match):
            return Leaf(how, round(window * 1000), (metric.name, match))


@lru_cache(_MOST_EXPRESSIONS)
def leaves(expr: Expr) -> tuple[Leaf, ...]:
    """Every leaf of *expr*."""
    return tuple(_leaves(expr))


def _leaves(expr: Expr) -> Iterator[Leaf]:
    if isinstance(expr, Last | Rate | Increase | Over):
        yield leaf_of(expr)
    for one in inner(expr):
        yield from _leaves(one)


def tables(
    wanted: Iterable[Leaf], source: Source, moments: Millis, *, first_values: bool
) -> Mapping[Leaf, Table]:
    """The values of each leaf at *moments*.

    Raises:
        StoreError: One of them is too large.
    """
    alike: dict[tuple[str, int], dict[Leaf, None]] = {}
    for leaf in wanted:
        alike.setdefault((leaf.how, leaf.width), {})[leaf] = None
    found: dict[Leaf, Table] = {}
    for (how, width), those in alike.items():
        selectors = [leaf.selector for leaf in those]
        columns, rows = source(selectors, int(moments[0]) - width, int(moments[-1]))
        for (name, _), own in zip(selectors, rows, strict=True):
            if len(own) * len(moments) > MOST_CELLS:
                raise StoreError(
                    f"{name}: {len(own)} series at {len(moments)} moments are more than "
                    f"{MOST_CELLS} values; widen the step or shorten the range"
                )
        values = _computed(how, width, columns, moments, first_values=first_values)
        first = 0
        for leaf, own in zip(those, rows, strict=True):
            found[leaf] = Table(own, values[first : first + len(own)])
            first += len(own)
    return found


def _computed(
    how: str, width: int, columns: Columns, moments: Millis, *, first_values: bool
) -> Array:
    if how != _LATEST:
        columns = columns.without_marks()  # windows look through the ends of a series
    values = np.full((len(columns), len(moments)), np.nan)
    each = max(1, _BLOCK // len(moments))
    for start in range(0, len(columns), each):
        part = columns.part(start, min(start + each, len(columns)))
        if not len(part.times):
            continue
        if how == _LATEST:
            made = latest(part, moments)
        elif how == _INCREASE:
            made = increase(windows(part, moments, width), first_values=first_values)
        else:
            made = over(how, windows(part, moments, width))
        values[start : start + each] = made
    return values
