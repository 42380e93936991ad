"""Whether bad events became more frequent than chance and habit allow."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from vocabulary.samples import Array


@dataclass(frozen=True, slots=True)
class Burst:
    """The newest share of bad events against the share before."""

    share: float
    lower: float
    """Lower end of the 99 % Clopper-Pearson interval of *share*."""
    expected: float
    upper: float
    """The largest share habit explains: 99 % Clopper-Pearson upper end of the share before."""
    p_value: float
    """One-sided, that the newest share is no larger than the one before."""


def share_burst(
    bad: float, total: float, bad_before: float, total_before: float, dispersion: float = 1.0
) -> Burst | None:
    """Compare two shares exactly; None when nothing happened in the newest stretch.

    The conditional test of two binomials (Fisher 1935), with the Jeffreys half event added before
    so that a spotless past is no proof of impossibility. *dispersion* (>= 1) is by how much the
    past varies beyond chance; counts are divided by it (quasi-binomial).
    """
    if total <= 0.0:
        return None
    dispersion = max(dispersion, 1.0)
    k, n = round(bad / dispersion), max(round(total / dispersion), 1)
    k = min(k, n)
    past_bad = bad_before / dispersion + 0.5
    past_total = max(total_before / dispersion, 0.0) + 1.0
    past = round(past_total)
    lower = float(stats.beta.ppf(0.005, k, n - k + 1)) if k else 0.0
    upper = float(stats.beta.ppf(0.995, past_bad + 1.0, max(past_total - past_bad, 0.5)))
    p_value = float(stats.hypergeom.sf(k - 1, n + past, k + round(past_bad), n))
    return Burst(bad / total, lower, bad_before / max(total_before, 1.0), upper, p_value)


def dispersion(bad: Array, total: Array) -> float:
    """By how much shares vary beyond binomial chance: Pearson's χ² over its degrees of freedom."""
    known = np.isfinite(bad) & np.isfinite(total) & (total > 0)
    if known.sum() < 3:
        return 1.0
    k, n = bad[known], total[known]
    share = float(k.sum() / n.sum())
    if not 0.0 < share < 1.0:
        return 1.0
    chi = float((((k - n * share) ** 2) / (n * share * (1.0 - share))).sum())
    return max(chi / (float(known.sum()) - 1.0), 1.0)
