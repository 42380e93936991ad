"""Whether something takes longer after a change than before it, at the loads that both have seen.

A monotone load model is fitted to the rows before (load_model), rows after are kept where their
loads lie among those of before, and what the model leaves over is compared (two_windows). Several
members, such as replicas, are averaged minute by minute, so that what moves all of them together
counts once; where members differ by themselves, that spread is part of the interval.
"""

from dataclasses import dataclass

import numpy as np

from estimators import load_model
from estimators.onset import Flags
from estimators.robust import effective_size, finite, winsorised
from estimators.two_windows import compare
from vocabulary.samples import Array

MODEL_ERROR = 0.007
"""Standard deviation of what a load model gets wrong for good, as a share; our judgement. It keeps
any interval from becoming narrower than about ±2 %, however many minutes there are."""

Z_99 = 2.576
"""Two-sided 99 % of a normal."""

NOISE = 0.04
"""Loads are measured no better than this share of their size; our judgement, from gauges read
every 15 s and averaged over two minutes."""

EXTRAPOLATION = 0.1
"""By how much an interval is widened at each end for every radius that loads lie outside of those
seen before: a line drawn on is only so good. Our judgement, as for the regressions that detectors
find."""

LEAST_BEFORE = 20
LEAST_AFTER = 10
"""Minutes that both sides must have; below that an interval says nothing. Our judgement."""


@dataclass(frozen=True, slots=True)
class EqualLoad:
    """log(after / before) at equal load, with its 99 % interval; None where it cannot be said."""

    minutes_before: int
    minutes_after: int
    """Those after the change that were compared: at loads that were seen before it, or all of
    them, with a wider interval, where hardly any are."""
    minutes_elsewhere: int
    """Those after the change at loads that were not seen before it."""
    effect: float | None = None
    lower: float = -np.inf
    upper: float = np.inf
    after_part: float = 1.0
    """Share of the interval's variance that more minutes after the change would shrink."""

    @property
    def reach(self) -> float:
        """Half of the interval."""
        return (self.upper - self.lower) / 2.0

    def minutes_more(self, reach: float) -> float:
        """Minutes after the change that are missing for an interval of ±*reach*.

        Infinite when no number of them would do: the time before the change is what is too short.
        """
        whole = self.reach**2
        room = reach**2 - whole * (1.0 - self.after_part)
        if reach <= 0.0 or room <= 0.0:
            return np.inf
        return max(0.0, self.minutes_after * (whole * self.after_part / room - 1.0))


def compare_at_equal_load(
    values: Array, loads: Array, before: Flags, after: Flags, *, same_members: bool
) -> EqualLoad:
    """Compare *values* (M, T) of M members where *before* holds with those where *after* does.

    *loads* has shape (M, T, K). *same_members* says that both are the same members, so that what
    one member has for itself is on both sides.
    """
    known = np.isfinite(values) & (values > 0.0) & np.isfinite(loads).all(axis=2)
    before, seen = before & known, after & known
    model = load_model.fit(loads[before], values[before], LEAST_BEFORE)
    minutes = (int(before.any(axis=0).sum()), int(seen.any(axis=0).sum()))
    if model is None or minutes[0] < LEAST_BEFORE:
        return EqualLoad(minutes[0], 0, minutes[1])
    beyond = outside(loads, loads[before])
    comparable, slack = seen & (beyond <= 0.0), 0.0
    here = int(comparable.any(axis=0).sum())
    elsewhere = int((seen & ~comparable).any(axis=0).sum())
    if here < LEAST_AFTER <= elsewhere:  # what became much slower brings a load of its own
        comparable, slack = seen, EXTRAPOLATION * float(beyond[seen].mean())
        here = minutes[1]
    residual = model.residual(loads.reshape(-1, loads.shape[2]), values.ravel())
    residual = residual.reshape(values.shape)
    first, second = _together(residual, before), _together(residual, comparable)
    found = compare(first, second, floor=0.01) if here >= LEAST_AFTER else None
    if found is None:
        return EqualLoad(minutes[0], here, elsewhere)
    reach = (found.upper - found.lower) / 2.0
    own = 0.0 if same_members else _between(residual, before, comparable)
    part = reach**2 * _share_of_second(first, second)
    wide = float(np.sqrt(reach**2 + Z_99**2 * (MODEL_ERROR**2 + own))) + slack
    effect = found.effect
    return EqualLoad(
        minutes[0], here, elsewhere, effect, effect - wide, effect + wide, part / wide**2
    )


def outside(loads: Array, seen: Array) -> Array:
    """How far each row of *loads* (…, K) lies outside of the rows *seen* (N, K), in their radii.

    0 or less inside. Judged by Mahalanobis' distance, so that a mix of loads that never occurred
    is outside even where each load by itself was seen (the joint region of the regressors;
    Montgomery, Peck & Vining, Introduction to Linear Regression Analysis, on hidden
    extrapolation).
    """
    if loads.shape[-1] == 0:
        return np.zeros(loads.shape[:-1])
    centre, size = seen.mean(axis=0), np.maximum(np.quantile(np.abs(seen), 0.95, axis=0), 1e-12)
    spread = np.atleast_2d(np.cov((seen - centre).T / size[:, None]))
    inverse: Array = np.asarray(np.linalg.inv(spread + NOISE**2 * np.eye(len(size))), np.float64)
    limit = 1.5 * float(np.quantile(_distance(seen, centre, size, inverse), 0.99))
    with np.errstate(invalid="ignore"):
        beyond: Array = np.sqrt(_distance(loads, centre, size, inverse) / limit) - 1.0
    return beyond


def _distance(rows: Array, centre: Array, size: Array, inverse: Array) -> Array:
    scaled = (rows - centre) / size
    squared: Array = np.einsum("...i,ij,...j->...", scaled, inverse, scaled)
    return squared


def _together(residual: Array, flags: Flags) -> Array:
    """Mean over members by minute, of what is flagged."""
    told = np.where(flags, residual, 0.0)
    count = flags.sum(axis=0)
    mean: Array = told.sum(axis=0)[count > 0] / count[count > 0]
    return mean


def _between(residual: Array, before: Flags, after: Flags) -> float:
    """Variance of the effect because members differ by themselves; 0 where one alone was seen."""
    levels = [
        float(np.mean(row[own])) for row, own in zip(residual, before, strict=True) if own.sum() > 9
    ]
    if len(levels) < 2:
        return 0.0
    olds, news = len(levels), max(1, int(after.any(axis=1).sum()))
    return float(np.var(levels, ddof=1)) * (1.0 / olds + 1.0 / news)


def _share_of_second(first: Array, second: Array) -> float:
    """Part of the squared standard error of a difference that the second stretch makes."""
    errors = [
        float(np.var(winsorised(one))) / max(effective_size(one), 2.0) + 1e-12
        for one in (finite(first), finite(second))
    ]
    return errors[1] / sum(errors)
