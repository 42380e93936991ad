"""Who differs from its siblings: each is judged by the others, never by itself."""

import numpy as np

from estimators.robust import median, spread
from vocabulary.samples import Array


def others_median(values: Array) -> Array:
    """For each value, the median of all other known values; NaN where there are none."""
    flat = np.asarray(values, dtype=np.float64)
    result = np.full(flat.shape, np.nan)
    for index in range(flat.size):
        result[index] = median(np.delete(flat, index))
    return result


def robust_z(values: Array, floor: float = 1e-9) -> Array:
    """Distance from the others' median in units of the others' σ (MAD), leave-one-out.

    *floor* is the least σ believed: identical siblings would else make any difference infinite.
    NaN where fewer than two others are known.
    """
    flat = np.asarray(values, dtype=np.float64)
    result = np.full(flat.shape, np.nan)
    for index in range(flat.size):
        others = np.delete(flat, index)
        if np.isfinite(others).sum() >= 2:
            result[index] = (flat[index] - median(others)) / spread(others, floor)
    return result
