"""The grammar of signals: small expressions over metrics, as data.

An expression is rendered to PromQL for a Prometheus-compatible backend and evaluated as arrays by
the embedded store; both follow Prometheus 3 (ranges open on the left, five minutes of lookback).
"""

from dataclasses import dataclass

from vocabulary.metrics import Metric

Match = tuple[tuple[str, str], ...]
"""Label equalities a selector demands."""


def bound_spellings(bound: float) -> tuple[str, ...]:
    """How servers write a bucket's bound: Prometheus 3 says `5.0` where older ones say `5`."""
    plain = f"{bound:g}"
    return (plain, f"{plain}.0") if bound.is_integer() else (plain,)


@dataclass(frozen=True, slots=True)
class Last:
    """The newest value of a gauge (or of one part of a histogram), as an instant selector."""

    metric: Metric
    match: Match = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Increase per second of a counter over *window* seconds, resets allowed for.

    *part* names a histogram's `count` or `sum`; it is empty for counters.
    """

    metric: Metric
    window: float = 60.0
    match: Match = ()
    part: str = ""


@dataclass(frozen=True, slots=True)
class Increase:
    """Increase of a counter over *window* seconds, extrapolated as Prometheus does."""

    metric: Metric
    window: float = 60.0
    match: Match = ()
    part: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """An aggregate of a gauge over *window* seconds: `max`, `min`, `avg`, `count` or `last`."""

    how: str
    metric: Metric
    window: float = 60.0
    match: Match = ()


@dataclass(frozen=True, slots=True)
class Quantile:
    """Quantile *q* of a histogram's increase over *window*, by Prometheus' interpolation.

    Aggregated by *by* before it is interpolated; bucket bounds are what limits its precision.
    """

    q: float
    metric: Metric
    by: tuple[str, ...]
    window: float = 300.0
    match: Match = ()


@dataclass(frozen=True, slots=True)
class Late:
    """Share of a histogram's observations over *window* that lie above *bound*, by labels.

    *bound* must be a bucket's own upper bound, or there is no value: nothing is interpolated.
    """

    metric: Metric
    bound: float
    by: tuple[str, ...]
    window: float = 300.0
    match: Match = ()


@dataclass(frozen=True, slots=True)
class By:
    """`sum`, `max`, `min`, `avg` or `count` of an expression by labels."""

    how: str
    expr: "Expr"
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One expression divided by another on equal labels; no value where the divisor is zero."""

    top: "Expr"
    bottom: "Expr"
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scaled:
    """An expression times a constant."""

    expr: "Expr"
    factor: float


Expr = Last | Rate | Increase | Over | Quantile | Late | By | Ratio | Scaled


@dataclass(frozen=True, slots=True)
class Signal:
    """A named expression with a unit and a meaning a person can read."""

    name: str
    unit: str
    """How a person reads it: `tokens/s`, `s`, `ratio`, `USD/h`."""
    meaning: str
    expr: Expr

    def __hash__(self) -> int:
        """By name alone: frames are looked up by signal thousands of times a tick."""
        return hash(self.name)

    def __str__(self) -> str:
        return self.name
