"""How rare a value is by the tail that its series has shown, learnt with a few counters.

Beyond its 95th percentile (the edge) the logarithm of a statistic is taken as exponential (a
Pareto tail, Hill 1975) with a mean excess (the slope). Between two looks a series only counts how
many values lay beyond the edge, and how many beyond the median of the excess; a look turns the
counts into the next edge and slope. Whole counts make the figures independent of how rows come in
blocks, and a median of excesses is not moved by how far the farthest lay.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from estimators.averages import Numbers

QUANTILE = 0.95
EDGE_SCORE = float(-np.log10(1.0 - QUANTILE))
FIRST_EDGE, FIRST_SLOPE = 1.7, 0.35
"""Tail believed before any is seen: what bands in units of their mean size usually show."""
DOUBT_ROWS = 100.0
"""Rows' worth of that belief."""
DOUBT_EXCESSES = 500.0
"""Excesses' worth of belief in the slope: those of a week of minutes. What a tail shows of itself
is mostly the very events that are looked for, so that a series that believed it sooner would find
its own incidents usual."""
LEAST_SLOPE = 0.05
MOST_UP = 0.3
"""Most slopes by which one look raises the edge: below it values lie closer than the tail says."""
_LN2 = np.float32(np.log(2.0))
_LN10 = np.float32(np.log(10.0))
Counts = npt.NDArray[Any]


def rareness(value: Numbers, edge: Numbers, slope: Numbers) -> tuple[Numbers, Counts, Counts]:
    """-log10 of the chance, and counts over time beyond the edge and beyond the median excess."""
    ratio: Numbers = value / edge
    excess: Numbers = np.log(np.maximum(ratio, np.float32(1e-12)))
    beyond = (excess > 0.0).sum(axis=0)
    far = (excess > slope * _LN2).sum(axis=0)
    np.maximum(excess, np.float32(0.0), out=excess)
    excess /= slope * _LN10
    np.minimum(ratio, np.float32(1.0), out=ratio)
    ratio *= np.float32(EDGE_SCORE)
    ratio += excess
    return ratio, beyond, far


def relearnt(
    edge: Numbers, slope: Numbers, beyond: Counts, far: Counts, rows: Counts, known: Counts
) -> tuple[Numbers, Numbers]:
    """Edge and slope after a look at *rows* new rows; *known* is how many all of them count for.

    The share beyond the old edge becomes an estimate over all rows known, and the exponential
    says where the edge is beyond which 5 % lie. Likewise for the median excess.
    """
    rare = 1.0 - QUANTILE
    all_rows = np.maximum(known, rows) + DOUBT_ROWS
    share = (rare * (all_rows - rows) + beyond) / all_rows
    moved = np.log(edge) + slope * np.minimum(np.log(np.maximum(share, 1e-6) / rare), MOST_UP)
    excesses = np.maximum(rare * known, beyond) + DOUBT_EXCESSES
    half = (0.5 * (excesses - beyond) + far) / excesses
    wider = slope * np.log(2.0) / -np.log(np.clip(half, 1e-6, 1.0 - 1e-6))
    return (
        np.maximum(np.exp(moved), 1e-9).astype(np.float32),
        np.clip(wider, LEAST_SLOPE, 10.0).astype(np.float32),
    )
