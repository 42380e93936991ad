"""Whether two stretches of one signal differ, by how much, and how sure that is.

Yuen's test (Biometrika 1974): Welch's t on trimmed means with winsorised variances, so that one
slow request decides nothing; each stretch counts for its effective size, because neighbouring
samples of a live metric resemble each other.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from estimators.robust import effective_size, finite, winsorised
from vocabulary.samples import Array

TRIM = 0.1
"""Share cut from each end. Yuen proposes 0.2 for small samples; 0.1 keeps more power here."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """After minus before, in the unit of what was compared."""

    before: float
    after: float
    effect: float
    lower: float
    """Lower end of the 99 % interval of *effect*."""
    upper: float
    p_value: float
    """Two-sided, that there is no difference."""


def compare(before: Array, after: Array, *, floor: float = 1e-9) -> Comparison | None:
    """Compare two stretches; None when either has fewer than three known points.

    *floor* is the least standard deviation believed: flat data would else be infinitely sure.
    """
    first, second = finite(before), finite(after)
    if first.size < 3 or second.size < 3:
        return None
    mean_a, error_a, free_a = _trimmed(first, floor)
    mean_b, error_b, free_b = _trimmed(second, floor)
    variance = error_a + error_b
    freedom = variance**2 / (error_a**2 / free_a + error_b**2 / free_b)
    standard = float(np.sqrt(variance))
    effect = mean_b - mean_a
    # Student's t straight from its special function: scipy.stats gives the same, far slower.
    reach = float(special.stdtrit(freedom, 0.995)) * standard
    p_value = float(2.0 * special.stdtr(freedom, -abs(effect) / standard))
    return Comparison(mean_a, mean_b, effect, effect - reach, effect + reach, p_value)


def trimmed_least(known: Array) -> float:
    """What the trimmed mean of *known* values, none of them NaN, is at least."""
    cut = int(TRIM * known.size)
    return float(np.partition(known, cut)[cut])


def trimmed_most(known: Array) -> float:
    """What it is at most."""
    last = known.size - int(TRIM * known.size) - 1
    return float(np.partition(known, last)[last])


def _trimmed(values: Array, floor: float) -> tuple[float, float, float]:
    """Trimmed mean, its squared standard error and its degrees of freedom."""
    cut = int(TRIM * values.size)
    rest = values.size - cut
    mean = float(np.partition(values, (cut, rest - 1))[cut:rest].mean())
    deviation = max(float(np.std(winsorised(values, TRIM), ddof=1)), floor)
    size = max(effective_size(values), 2.0)
    kept = max(size * (1.0 - 2.0 * TRIM), 1.5)
    squared = deviation**2 / (size * (1.0 - 2.0 * TRIM) ** 2)
    return mean, squared, max(kept - 1.0, 0.5)


def went_away(before: Array, after: Array, share: float = 0.25) -> bool:
    """True when the newest *share* of *after* is back near *before*: a blip, not a step.

    The filter of Meta's FBDetect (SOSP 2024), in its simplest form: the newest median lies closer
    to the old median than to the median of the whole stretch after.
    """
    first, second = finite(before), finite(after)
    if not first.size or not second.size:
        return True
    tail = second[-max(1, int(np.ceil(second.size * share))) :]
    newest, old, level = (float(np.median(part)) for part in (tail, first, second))
    return abs(newest - old) < abs(newest - level) or abs(newest - old) < 0.5 * abs(level - old)
