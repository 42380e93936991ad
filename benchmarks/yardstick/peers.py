"""What one would take instead, each with one configuration for all series; all are causal.

Written from the papers and manuals named; histories are what comes before the first judged row.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.yardstick.labelled import DAY, Labelled
from estimators.live_engine import scored
from estimators.point_anomaly import PointAnomaly
from vocabulary.samples import Array

Score = Callable[[Labelled], Array]


def tidegauge(one: Labelled) -> Array:
    """The product, at its defaults."""
    return scored(PointAnomaly(), one.times, one.values, one.step)


def rolling_z(one: Labelled) -> Array:
    """Distance from the mean of the last day in its standard deviations."""
    past = pd.Series(one.values).rolling(max(60, int(DAY / one.step)), min_periods=20)
    mean, sigma = past.mean().shift(1), past.std().shift(1)
    return np.asarray(np.abs(one.values - mean) / np.maximum(sigma, 1e-9), np.float64)


def rolling_mad(one: Labelled) -> Array:
    """Distance from the median of the last day in its median absolute deviations."""
    series = pd.Series(one.values)
    rows = max(60, int(DAY / one.step))
    middle = series.rolling(rows, min_periods=20).median()
    usual = (series - middle).abs().rolling(rows, min_periods=20).median().shift(1)
    away = (series - middle.shift(1)).abs()
    return np.asarray(away / np.maximum(usual, 1e-3 * middle.shift(1).abs() + 1e-9), np.float64)


def sub_pca(one: Labelled) -> Array:
    """Length of the last 32 rows whitened by the history's covariance: Sub-PCA of TSB-AD."""
    lags = 32
    windows = np.lib.stride_tricks.sliding_window_view(
        np.r_[np.full(lags - 1, one.values[0]), one.values], lags
    )
    past = windows[: one.first]
    weights, vectors = np.linalg.eigh(np.cov(past.T))
    kept = weights > 1e-9 * max(float(weights.max()), 1e-12)
    turned = (windows - past.mean(axis=0)) @ (vectors[:, kept] / np.sqrt(weights[kept]))
    return np.asarray(np.mean(turned**2, axis=1), np.float64)


def dspot(one: Labelled) -> Array:
    """DSPOT (Siffer et al., KDD 2017): depth 20, level 0.98, q 1e-4; the tail by its moments.

    The score is the distance from the mean of the last 20 rows, in the distance that is exceeded
    once in 10,000 rows by what was seen before.
    """
    depth, risk = 20, 1e-4
    sums = np.concatenate([[0.0], np.cumsum(one.values)])
    mean = (sums[depth:-1] - sums[: -depth - 1]) / depth
    mean = np.concatenate([np.full(depth, one.values[:depth].mean()), mean])
    away = np.abs(one.values - mean)
    past = away[depth : one.first]
    level = float(np.quantile(past, 0.98))
    peaks = (past[past > level] - level).tolist()
    if len(peaks) < 6:
        return np.asarray(away / (2.0 * float(past.max()) + 1e-9), np.float64)
    seen = len(past)
    limit = _limit(peaks, level, risk * seen)
    scores = np.zeros(len(away))
    begin = one.first
    for row in (one.first + np.flatnonzero(away[one.first :] > level)).tolist():
        scores[begin : row + 1] = away[begin : row + 1] / limit
        seen, begin = seen + row - begin, row + 1
        if away[row] <= limit:
            seen += 1
            peaks.append(float(away[row] - level))
            limit = _limit(peaks, level, risk * seen)
    scores[begin:] = away[begin:] / limit
    return scores


def _limit(peaks: list[float], level: float, expected: float) -> float:
    """What is exceeded with the wanted risk, by a generalised Pareto tail."""
    newest = np.array(peaks[-2000:])
    mean, variance = float(newest.mean()), float(newest.var()) + 1e-18
    shape = min(max(0.5 * (1.0 - mean**2 / variance), -0.5), 0.5)
    scale = 0.5 * mean * (mean**2 / variance + 1.0)
    ratio = expected / len(peaks)
    if abs(shape) <= 1e-6:
        return level - scale * float(np.log(ratio))
    return float(level + scale / shape * (ratio**-shape - 1.0))


def netdata(one: Labelled) -> Array:
    """Netdata's rule (its manual, "ML"): 18 models of two centres, all of which must be surprised.

    Features are six smoothed differences in a row; a model is trained every 3 h on the last 6 h;
    its score is the mean distance from both centres in the range that training showed. The lowest
    of all models counts.
    """
    steps = np.diff(one.values, prepend=one.values[0])
    smooth = pd.Series(steps).rolling(3, min_periods=1).mean().to_numpy()
    features = np.lib.stride_tricks.sliding_window_view(np.r_[np.zeros(5), smooth], 6)
    window, every = max(72, int(21_600 / one.step)), max(36, int(10_800 / one.step))
    rng = np.random.default_rng(0)
    models: list[tuple[Array, Array, float, float]] = []
    scores = np.zeros(len(one.values))
    for begin in range(window, len(scores), every):
        past = features[begin - window : begin]
        models.append(_two_means(past[rng.random(window) < 0.2] if window >= 150 else past))
        models = models[-18:]
        now = features[begin : begin + every]
        surprise = [np.abs(_far(now, a, b) - low) / max(high - low, 1e-12)
                    for a, b, low, high in models]  # fmt: skip
        scores[begin : begin + every] = np.minimum(np.min(surprise, axis=0), 100.0)
    return scores


def _two_means(rows: Array) -> tuple[Array, Array, float, float]:
    """Two centres, and the range of distances from them."""
    first, second = rows[np.argmin(rows[:, -1])], rows[np.argmax(rows[:, -1])]
    for _ in range(30):
        near = ((rows - first) ** 2).sum(axis=1) <= ((rows - second) ** 2).sum(axis=1)
        new = [rows[part].mean(axis=0) if part.any() else old
               for part, old in ((near, first), (~near, second))]  # fmt: skip
        if np.allclose(new[0], first) and np.allclose(new[1], second):
            break
        first, second = new
    away = _far(rows, first, second)
    return first, second, float(away.min()), float(away.max())


def _far(rows: Array, first: Array, second: Array) -> Array:
    distances = [np.sqrt(((rows - centre) ** 2).sum(axis=1)) for centre in (first, second)]
    return np.asarray(np.mean(distances, axis=0), np.float64)


PEERS: dict[str, Score] = {
    "tidegauge": tidegauge,
    "Sub-PCA, 32 lags": sub_pca,
    "DSPOT, q 1e-4": dspot,
    "Netdata's rule, 18 models": netdata,
    "rolling median and MAD, 24 h": rolling_mad,
    "rolling z-score, 24 h": rolling_z,
}
