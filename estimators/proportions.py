"""Whether a share of events became larger: counts before and after, with an interval."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from vocabulary.samples import Array

Z_99 = 2.576
"""Two-sided 99 % of a normal."""


@dataclass(frozen=True, slots=True)
class ShareChange:
    """Share after less share before, with its 99 % interval."""

    before: float
    after: float
    lower: float
    upper: float

    @property
    def effect(self) -> float:
        """By how much the share grew."""
        return self.after - self.before


def compare_shares(
    hits_before: Array, of_before: Array, hits_after: Array, of_after: Array
) -> ShareChange | None:
    """Compare two stretches of *hits* among *of* events, column by column (say, by minute).

    Newcombe's hybrid score interval (Statistics in Medicine 1998, method 10), which holds at
    shares near 0 too. Events that fail in bunches are worth less than their number: sizes are
    divided by the dispersion between columns. None where a side has no events.
    """
    first, second = _stretch(hits_before, of_before), _stretch(hits_after, of_after)
    if first is None or second is None:
        return None
    (low_a, share_a, high_a), (low_b, share_b, high_b) = first, second
    gap = share_b - share_a
    lower = gap - sqrt((share_b - low_b) ** 2 + (high_a - share_a) ** 2)
    upper = gap + sqrt((high_b - share_b) ** 2 + (share_a - low_a) ** 2)
    return ShareChange(share_a, share_b, lower, upper)


def _stretch(hits: Array, of: Array) -> tuple[float, float, float] | None:
    """Wilson's interval of a share: lower end, share, upper end."""
    known = np.isfinite(hits) & np.isfinite(of) & (of > 0.0)
    hits, of = np.minimum(hits[known], of[known]), of[known]
    total = float(of.sum())
    if total <= 0.0:
        return None
    share = float(hits.sum()) / total
    size = total / _dispersion(hits, of, share)
    centre = (share + Z_99**2 / (2.0 * size)) / (1.0 + Z_99**2 / size)
    reach = Z_99 * sqrt(share * (1.0 - share) / size + Z_99**2 / (4.0 * size**2))
    reach /= 1.0 + Z_99**2 / size
    return max(0.0, centre - reach), share, min(1.0, centre + reach)


def _dispersion(hits: Array, of: Array, share: float) -> float:
    """Pearson's chi-square over its degrees of freedom, at least 1."""
    if hits.size < 3 or not 0.0 < share < 1.0:
        return 1.0
    squares = (hits - of * share) ** 2 / (of * share * (1.0 - share))
    return max(1.0, float(squares.sum()) / (hits.size - 1))
