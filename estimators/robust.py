"""Location and scale that a few wild points cannot move; NaN is missing, never zero."""

import numpy as np

from vocabulary.samples import Array

MAD_TO_SIGMA = 1.4826
"""1 / Φ⁻¹(3/4): scales the median absolute deviation to σ of a normal (Rousseeuw & Croux 1993)."""


def finite(values: Array) -> Array:
    """The values that are known, flattened."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    kept: Array = flat[np.isfinite(flat)]
    return kept


def median(values: Array) -> float:
    """Median of what is known; NaN when nothing is."""
    known = finite(values)
    return middle_of(known) if known.size else float("nan")


def middle_of(known: Array) -> float:
    """Median of one row without NaN that holds something: `np.median`'s, without its ceremony."""
    half = known.size // 2
    if known.size % 2:
        return float(np.partition(known, half)[half])
    parted = np.partition(known, (half - 1, half))
    return float(0.5 * (parted[half - 1] + parted[half]))


def quantile_of(known: Array, share: float) -> float:
    """Quantile of one row without NaN that holds something, as `np.quantile` interpolates it."""
    place = share * (known.size - 1)
    below = int(place)
    above = min(below + 1, known.size - 1)
    parted = np.partition(known, (below, above))
    low, high = float(parted[below]), float(parted[above])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1.0 - part)


def spread(values: Array, floor: float = 0.0) -> float:
    """σ from the median absolute deviation, at least *floor*; NaN when nothing is known.

    Where more than half of the values are equal the MAD is 0 and says nothing: the mean absolute
    deviation, scaled by √(π/2), stands in.
    """
    known = finite(values)
    if not known.size:
        return float("nan")
    deviations = np.abs(known - middle_of(known))
    sigma = MAD_TO_SIGMA * middle_of(deviations)
    if sigma == 0.0:
        sigma = float(np.sqrt(np.pi / 2) * np.mean(deviations))
    return max(sigma, floor)


def winsorised(values: Array, share: float = 0.1) -> Array:
    """What is known, with the *share* at each end pulled in to that quantile (Dixon 1960)."""
    known = finite(values)
    if not known.size:
        return known
    low, high = quantile_of(known, share), quantile_of(known, 1.0 - share)
    pulled: Array = np.clip(known, low, high)
    return pulled


def effective_size(values: Array) -> float:
    """How many independent points a series is worth: n (1 - r) / (1 + r), r its lag-1 correlation.

    The first-order correction of Bayley & Hammersley (1946); r below 0 counts as 0, so that an
    oscillation never makes a test bolder.
    """
    known = finite(values)
    if known.size < 3:
        return float(known.size)
    centred = known - known.mean()
    power = float(centred @ centred)
    if power <= 0.0:
        return float(known.size)
    lag_one = min(max(float(centred[1:] @ centred[:-1]) / power, 0.0), 0.99)
    return max(known.size * (1.0 - lag_one) / (1.0 + lag_one), 1.0)
