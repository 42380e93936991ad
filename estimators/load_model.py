"""What a latency should be at this load: a monotone model, fitted before something changed.

A decode step costs a constant, plus something for each sequence in the batch, for the context it
carries and for the prompt tokens that share it; nothing makes it cheaper. So the model is
non-negative least squares (Lawson & Hanson 1974) on each load and its square, fitted to relative
errors and re-weighted by Huber's function (1964) so that a few odd minutes do not bend it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from estimators.robust import spread
from vocabulary.samples import Array

HUBER = 1.345
"""Tuning constant that keeps 95 % efficiency on normal errors (Huber 1981)."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadModel:
    """y ≈ Σ coefficient x basis(load), each coefficient >= 0."""

    coefficients: Array
    scale: Array
    """What each load was divided by, so that no unit outweighs another."""
    lowest: Array
    highest: Array
    sigma: float
    """Robust spread of log(observed / predicted) where it was fitted."""
    points: int

    def predict(self, loads: Array) -> Array:
        """Expected value for each row of *loads* (shape (N, K)); NaN where a load is missing."""
        predicted: Array = _basis(loads / self.scale) @ self.coefficients
        return predicted

    def residual(self, loads: Array, observed: Array) -> Array:
        """log(observed / predicted): 0.1 is ten per cent slower than this load explains."""
        with np.errstate(invalid="ignore", divide="ignore"):
            gap: Array = np.log(observed / self.predict(loads))
        gap[~np.isfinite(gap)] = np.nan
        return gap

    def beyond(self, loads: Array) -> Array:
        """How far each row lies outside the loads seen in the fit, as a share of their range.

        0 inside. A prediction outside is an extrapolation, and the caller should ask for more
        evidence there.
        """
        width = np.maximum(self.highest - self.lowest, 0.1 * np.abs(self.highest) + 1e-12)
        over = np.maximum(loads - self.highest, self.lowest - loads) / width
        worst: Array = np.maximum(over, 0.0).max(axis=1)
        return worst


def fit(loads: Array, observed: Array, least: int = 20) -> LoadModel | None:
    """Fit *observed* (N,) to *loads* (N, K); None with fewer than *least* complete rows."""
    complete = np.isfinite(loads).all(axis=1) & np.isfinite(observed) & (observed > 0)
    if complete.sum() < least:
        return None
    x, y = loads[complete], observed[complete]
    scale = np.maximum(np.quantile(np.abs(x), 0.95, axis=0), 1e-12)
    rows = _basis(x / scale) / y[:, None]
    weights = np.ones(len(y))
    coefficients = np.zeros(rows.shape[1])
    for _ in range(8):
        root = np.sqrt(weights)
        coefficients, _ = nnls(rows * root[:, None], root)
        error = rows @ coefficients - 1.0
        sigma = spread(error, 1e-6)
        weights = np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(error), 1e-12))
    model = LoadModel(coefficients, scale, x.min(axis=0), x.max(axis=0), 0.0, len(y))
    residual = model.residual(x, y)
    return LoadModel(
        coefficients, scale, model.lowest, model.highest, spread(residual, 1e-4), len(y)
    )


def _basis(scaled: Array) -> Array:
    """1, each load, each load squared: convex and, with coefficients >= 0, monotone."""
    return np.hstack([np.ones((len(scaled), 1)), scaled, scaled**2])
