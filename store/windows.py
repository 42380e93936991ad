"""What Prometheus 3 makes of a range or an instant of a series, for all series and moments at once.

Ranges are open on the left: a window of 60 s at t holds the samples in (t - 60, t]. The rules of
`rate` are those of `extrapolatedRate` in Prometheus' promql/functions.go, written anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from store.columns import Columns, Millis
from vocabulary.samples import Array

LOOKBACK = 300_000
"""Milliseconds an instant looks back for its sample (Prometheus' --query.lookback-delta)."""

NEAR = 1.1
"""An edge is near when it is within this many mean intervals of a sample (Prometheus)."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Where each window of each series begins and ends in the flat arrays: shapes (S, T)."""

    columns: Columns
    moments: Millis
    width: int
    """Milliseconds."""
    low: Millis
    """Index of the first sample inside."""
    high: Millis
    """Index after the last sample inside."""

    @property
    def count(self) -> Millis:
        """Samples inside."""
        return self.high - self.low

    @property
    def first(self) -> Millis:
        """Index of the first sample; any valid index where the window is empty."""
        return np.minimum(self.low, len(self.columns.times) - 1)

    @property
    def last(self) -> Millis:
        """Index of the last sample; any valid index where the window is empty."""
        return np.maximum(self.high - 1, 0)


def windows(columns: Columns, moments: Millis, width: int) -> Windows:
    """The windows of *width* milliseconds that end at *moments*."""
    both = _samples_up_to(columns, np.concatenate((moments - width, moments)))
    return Windows(columns, moments, width, both[:, : len(moments)], both[:, len(moments) :])


def _samples_up_to(columns: Columns, moments: Millis) -> Millis:
    """For each series and moment, the index after its last sample at or before the moment."""
    series, samples = len(columns), len(columns.times)
    each = samples // series
    starts = columns.offsets[:-1, None]
    if each * series == samples and bool(np.all(np.diff(columns.offsets) == each)):
        table = columns.times.reshape(series, each)
        if bool(np.all(table == table[0])):  # scraped together, as most series are
            return starts + np.searchsorted(table[0], moments, side="right")
    # One sorted array of (series, time) keys answers for all series in one search.
    base = int(columns.times.min())
    span = int(columns.times.max()) - base + 2
    owner = np.repeat(np.arange(series, dtype=np.int64), np.diff(columns.offsets))
    keys = owner * span + (columns.times - base)
    wanted = np.clip(moments - base, -1, span - 2)
    rows = np.arange(series, dtype=np.int64)[:, None] * span
    return np.searchsorted(keys, (rows + wanted).ravel(), side="right").reshape(series, -1)


def latest(columns: Columns, moments: Millis) -> Array:
    """The newest value not older than the lookback; NaN where there is none or it is a mark."""
    span = windows(columns, moments, LOOKBACK)
    return np.where(span.count > 0, columns.values[span.last], np.nan)


def over(how: str, span: Windows) -> Array:
    """`max`, `min`, `avg`, `count` or `last` over each window; NaN where it is empty."""
    filled = span.count > 0
    if how == "count":
        return np.where(filled, span.count, np.nan)
    if how == "last":
        return np.where(filled, span.columns.values[span.last], np.nan)
    fold: Callable[..., Array] = {
        "max": np.maximum.reduceat,
        "min": np.minimum.reduceat,
        "avg": np.add.reduceat,
    }[how]
    # reduceat folds between each two indices; every second fold is a window. The sample added at
    # the end makes the index after the last one valid.
    values = np.append(span.columns.values, 0.0)
    folded = fold(values, np.stack((span.low, span.high), axis=-1).ravel())[::2]
    result = np.where(filled, folded.reshape(span.low.shape), np.nan)
    return result / np.maximum(span.count, 1) if how == "avg" else result


def increase(span: Windows, *, first_values: bool = False) -> Array:
    """Increase of a counter over each window, extrapolated to its edges; NaN where not known.

    Needs two samples. With *first_values*, a series that was seen to begin inside the window is
    taken to have begun at zero: its first value counts, one sample is enough, and nothing is
    extrapolated before it. Prometheus knows no such thing.
    """
    times, values = span.columns.times, span.columns.values
    first, last, count = span.first, span.last, span.count
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        grown = values[last] - values[first] + _lost_in_resets(span)
        sampled = (times[last] - times[first]) / 1000.0
        interval = sampled / np.maximum(count - 1, 1)
        near = interval * NEAR
        before = (times[first] - (span.moments - span.width)) / 1000.0
        after = (span.moments - times[last]) / 1000.0
        before = np.where(before >= near, interval / 2, before)
        after = np.where(after >= near, interval / 2, after)
        # A counter cannot have been below zero: extrapolate no further back than to zero.
        to_zero = sampled * (values[first] / grown)
        clamped = (grown > 0) & (values[first] >= 0) & (to_zero < before)
        before = np.where(clamped, to_zero, before)
        known = count >= 2
        if first_values:
            born = (count >= 1) & (times[first] == span.columns.births[:, None])
            grown = np.where(born, grown + values[first], grown)
            before = np.where(born, 0.0, before)
            known |= born
        factor = np.where(count >= 2, (sampled + before + after) / sampled, 1.0)
        return np.where(known, grown * factor, np.nan)


def _lost_in_resets(span: Windows) -> Array:
    """What resets inside each window took away: the sum of the values just before each drop."""
    values, offsets = span.columns.values, span.columns.offsets
    fell = values[1:] < values[:-1]
    between = offsets[(offsets > 0) & (offsets < len(values))]
    fell[between - 1] = False  # from one series to the next is no reset
    dropped = np.flatnonzero(fell) + 1
    lost = np.zeros(span.low.shape)
    if not dropped.size:
        return lost
    # A drop belongs to a window when both its samples are inside: low < index < high.
    begin = np.searchsorted(dropped, span.low, side="right")
    end = np.searchsorted(dropped, span.high, side="left")
    most = int(np.max(end - begin, initial=0))
    for nth in range(most):  # few passes: resets are rare
        inside = begin + nth < end
        lost[inside] += values[dropped[(begin + nth)[inside]] - 1]
    return lost
