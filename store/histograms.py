"""Quantiles of classic histograms, as Prometheus 3 interpolates them.

The rules are those of `BucketQuantile` in Prometheus' promql/quantile.go, written anew.
"""

import numpy as np

from vocabulary.samples import Array

SAME = 1e-12
"""Neighbouring counts closer than this, relative to their sum, differ by rounding only."""

_SMALLEST_NORMAL = np.finfo(np.float64).tiny


def quantile(q: float, bounds: Array, counts: Array) -> Array:
    """Quantile *q* for each column of *counts*, shape (B, T), with upper *bounds*, shape (B,).

    A NaN count is a bucket that is absent at that moment. NaN where nothing was observed, where
    fewer than two buckets are present or where the one up to +Inf is absent.
    """
    present = ~np.isnan(counts)
    if present.all():
        return _interpolated(q, *_coalesced(bounds, counts))
    result = np.full(counts.shape[1], np.nan)
    # Columns that have the same buckets are solved together; usually that is all of them.
    patterns, owner = np.unique(present, axis=1, return_inverse=True)
    owner = np.asarray(owner).reshape(-1)
    for index in range(patterns.shape[1]):
        rows = patterns[:, index]
        if rows.any():
            here = owner == index
            result[here] = _interpolated(q, *_coalesced(bounds[rows], counts[rows][:, here]))
    return result


def _coalesced(bounds: Array, counts: Array) -> tuple[Array, Array]:
    """Buckets in ascending order; two spellings of one bound (`1`, `1.0`) are one bucket."""
    unique, owner = np.unique(bounds, return_inverse=True)
    summed = np.zeros((len(unique), counts.shape[1]))
    np.add.at(summed, owner, counts)
    return unique, summed


def _monotonic(counts: Array) -> Array:
    """Cumulative counts that never fall; differences that are mere rounding are levelled."""
    fixed = counts.copy()
    for row in range(1, len(fixed)):
        before, here = fixed[row - 1], fixed[row]
        total = np.abs(before) + np.abs(here)
        difference = np.abs(before - here)
        tiny = (before == 0) | (here == 0) | (total < _SMALLEST_NORMAL)
        close = np.where(tiny, difference < SAME * _SMALLEST_NORMAL, difference < SAME * total)
        fixed[row] = np.where(close | (here < before), before, here)
    return fixed


def _interpolated(q: float, bounds: Array, counts: Array) -> Array:
    if np.isnan(q):
        return np.full(counts.shape[1], np.nan)
    if not 0 <= q <= 1:
        return np.full(counts.shape[1], np.inf if q > 1 else -np.inf)
    if len(bounds) < 2 or bounds[-1] != np.inf:
        return np.full(counts.shape[1], np.nan)
    counts = _monotonic(counts)
    columns = np.arange(counts.shape[1])
    rank = q * counts[-1]
    bucket = np.argmax(counts >= rank, axis=0)
    below = np.maximum(bucket - 1, 0)
    lower = np.where(bucket > 0, bounds[below], 0.0)
    passed = np.where(bucket > 0, counts[below, columns], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (rank - passed) / (counts[bucket, columns] - passed)
        value = lower + (bounds[bucket] - lower) * share
    value = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], value)
    value = np.where(bucket == len(bounds) - 1, bounds[-2], value)
    return np.where(counts[-1] == 0, np.nan, value)
