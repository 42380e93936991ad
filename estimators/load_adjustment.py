"""What is left of a signal once its load is taken out, by a model of the rows before.

The signal is a constant plus something for each unit of each load; errors are relative where the
signal is above zero (a model server that is ten per cent slower is so at every load), and Huber's
weights (1964) keep odd rows from bending the fit.
"""

from dataclasses import dataclass

import numpy as np

from estimators.robust import spread
from vocabulary.samples import Array

HUBER = 1.345
"""Tuning constant that keeps 95 % efficiency on normal errors (Huber 1981)."""
MOST_ROWS = 20_000
"""Rows a fit looks at: the newest."""


@dataclass(frozen=True, slots=True, eq=False)
class Adjusted:
    """A signal at equal load; rows from *start* to *stop* are judged, those before are the past."""

    values: Array
    start: int
    stop: int
    relative: bool
    """True when *values* are log(observed / expected)."""
    design: Array | None = None
    """By how much each coefficient would move *values*: shape (N, K + 1)."""


def adjust(values: Array, loads: Array, start: int) -> Adjusted | None:
    """Take *loads* (N, K) out of *values* by a fit to the rows before *start*.

    None when the past holds no load that varies.
    """
    past = slice(max(0, start - MOST_ROWS), start)
    scale = np.quantile(np.abs(loads[past]), 0.95, axis=0)
    varies = (np.ptp(loads[past], axis=0) > 0.0) & (scale > 0.0)
    if not varies.any():
        return None
    design = np.column_stack([np.ones(len(values)), loads[:, varies] / scale[varies]])
    relative = bool((values > 0.0).all())
    weights = 1.0 / values if relative else np.ones(len(values))
    coefficients = _fit(design[past] * weights[past, None], values[past] * weights[past])
    expected = design @ coefficients
    if not relative:
        return Adjusted(values - expected, start, len(values), relative, design)
    # far outside the loads seen, a line may promise nothing or less
    floor = 0.2 * float(np.median(values[past]))
    expected = np.maximum(expected, floor)
    return Adjusted(
        np.log(values / expected), start, len(values), relative, design / expected[:, None]
    )


def _fit(rows: Array, wanted: Array) -> Array:
    """Least squares with Huber's weights and a ridge that only guards against collinear loads."""
    weights = np.ones(len(rows))
    ridge = 1e-6 * len(rows) * np.diag(np.mean(rows**2, axis=0))
    coefficients: Array = np.zeros(rows.shape[1])
    for _ in range(8):
        weighted = rows * weights[:, None]
        solved = np.linalg.solve(weighted.T @ rows + ridge, weighted.T @ wanted)
        coefficients = np.asarray(solved, np.float64)
        error = wanted - rows @ coefficients
        sigma = spread(error, 1e-12)
        weights = np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(error), 1e-300))
    return coefficients
