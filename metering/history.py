"""Whole columns of counters at once: the meter's growth rules as array operations."""

from collections.abc import Iterable, Sequence

import numpy as np

from vocabulary.samples import Array, Series

Column = tuple[Series, Array, Array]
"""A series, its times (ascending Unix seconds) and its values."""
Steps = tuple[Array, Array]
"""Times, and the growth up to each since the time before."""


def measured(times: Array, values: Array) -> tuple[Array, Array]:
    """The points that hold a value; NaN marks gaps and ends."""
    known = ~np.isnan(values)
    return times[known], values[known]


def growth(values: Array, *, began_at_zero: bool) -> Array:
    """Growth of a counter at each point since the one before, resets allowed for."""
    steps = np.diff(values, prepend=0.0 if began_at_zero else values[:1])
    return np.where(steps < 0, values, steps)


def by_period(times: Array, steps: Array, seconds: int) -> Iterable[tuple[float, float]]:
    """(beginning, sum) of each period of *seconds* that holds growth."""
    begins, where = np.unique(np.floor_divide(times, seconds) * seconds, return_inverse=True)
    sums = np.bincount(where, weights=steps, minlength=len(begins))
    return zip(begins.tolist(), sums.tolist(), strict=True)


def running_total(parts: Sequence[Steps]) -> tuple[Array, Array]:
    """The counter that grows by all *parts* together, at every time one of them has."""
    times, where = np.unique(np.concatenate([t for t, _ in parts]), return_inverse=True)
    steps = np.bincount(where, weights=np.concatenate([s for _, s in parts]), minlength=len(times))
    return times, np.maximum.accumulate(np.cumsum(steps))


def shared_seconds(columns: Sequence[Column], max_gap_seconds: float) -> list[Steps]:
    """Seconds each allocation of one GPU held it, evenly divided among those that held it then."""
    held = [times[values > 0] for _, times, values in columns]
    moments, holders = np.unique(np.concatenate(held), return_counts=True)
    result = []
    for times in held:
        elapsed = np.diff(times, prepend=times[:1])
        elapsed = np.where(elapsed <= max_gap_seconds, elapsed, 0.0)
        result.append((times, elapsed / holders[np.searchsorted(moments, times)]))
    return result
