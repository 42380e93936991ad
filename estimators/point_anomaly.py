"""How surprising each sample of one series is, from its own past alone.

A series is split into bands by eight exponential averages; every band is measured in its own usual
size. Two statistics follow: the root mean square of the bands, and their length after whitening
with the covariance the bands have shown so far, which sees a shape that no single band shows.
Each becomes comparable across series by its own tail (log-Pareto excess over the 95th percentile,
Hill 1975, shrunk to a common tail while the series is young), and the two are added. A row counts
for as much as its predecessor does, where rows are close: one odd sample is no event. A series
that has lately been as odd as this surprises less: a share of the highest score of the last days,
which fades, is taken off. Everything at a row uses that row and the rows before it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from vocabulary.samples import Array

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class PointAnomaly:
    """Scores for evenly treated samples of one series."""

    half_lives: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0)
    """Samples: from the next sample's noise to a day at minute steps; closer where shapes are."""
    memory_days: float = 30.0
    """Half-life of what a band's usual size, shape and tail are learnt over."""
    warm_up: int = 50
    """Samples without a score: the bands and their sizes are guesses before."""
    block: int = 64
    """Samples between two looks at the covariance and the tail, at first; later a fiftieth of what
    has been seen: both change slowly."""
    habit: float = 0.2
    """Share of the record, beyond what one row in twenty reaches, that is taken off: our choice
    between ranking within a series (better without) and across series (better with more)."""
    fade_per_day: float = 0.4
    """By how much a record fades in a day: an oddity is forgotten within a week or two."""
    pace: float = 0.5
    """Added per tenfold of the distance of rows beyond a minute: a day of rare rows has fewer
    chances of a false alarm, so that a lower score costs as much."""
    alarm: float = 4.5
    """Score from which a row belongs to an event: it gave about 0.05 false alarms per series and
    day on public operations series (NAB, Microsoft cloud, SMD, AIOps KPI)."""

    def score(self, values: Array, step: float) -> Array:
        """One score per row, higher = more surprising; NaN where it is too early or missing.

        *step* is the usual distance of rows in seconds.
        """
        missing = ~np.isfinite(values)
        if missing.all():
            return np.full(len(values), np.nan)
        filled = _carry_forward(values, missing)
        bands = self._bands(filled)
        memory = max(50.0, self.memory_days * DAY / step)
        sized = np.clip(bands / self._sizes(bands, memory), -_MOST, _MOST)
        first = int(np.flatnonzero(~missing)[0])
        sized[:, : first + _UNSIZED] = 0.0
        level = np.sqrt(np.mean(sized**2, axis=0))
        shape = self._whitened(sized, memory)
        rows = np.arange(len(values), dtype=np.float64)
        trust = rows / (rows + _DOUBT)
        result = trust * (self._tail(level, memory) + self._tail(shape, memory))
        steady = np.minimum(result, _before(result))
        steady[: first + self.warm_up] = 0.0
        record = _faded_record(steady, self.fade_per_day * step / DAY)
        result -= self.habit * np.maximum(record - 2.0 * _EDGE_SCORE, 0.0)
        if step <= 300.0:
            result = np.minimum(result, _before(result))
        result += self.pace * np.log10(max(step, 1.0) / 60.0)
        result[missing] = np.nan
        result[: first + self.warm_up] = np.nan
        return result

    def deviation(self, values: Array) -> Array:
        """How far each row lies above (+) or below (-) the average of the rows before it."""
        filled = _carry_forward(values, ~np.isfinite(values))
        return filled - _before(_average(filled, _LEVEL_HALF_LIFE, filled[0]))

    def _bands(self, values: Array) -> Array:
        averages = [_average(values, half, values[0]) for half in self.half_lives]
        fastest = values - _before(averages[0])
        return np.array([fastest, *(a - b for a, b in pairwise(averages))])

    def _sizes(self, bands: Array, memory: float) -> Array:
        """Usual magnitude of each band before each row.

        A slow band starts at nothing and needs its half-life to show its size; until then the
        next faster band's size stands in for it.
        """
        rows = np.arange(bands.shape[1], dtype=np.float64)
        sizes = [_before(_average(np.abs(bands[0]), memory))]
        for half_life, band in zip(self.half_lives[1:], bands[1:], strict=True):
            own = _before(_average(np.abs(band), memory))
            trust = rows / (rows + 2.0 * half_life)
            sizes.append(np.maximum(own, trust * own + (1.0 - trust) * sizes[-1]))
        return np.maximum(np.array(sizes), 1e-9)

    def _looks(self, rows: int) -> list[int]:
        """The rows before which the past is looked at anew; they do not depend on later rows."""
        looks, row = [], 0
        while row < rows:
            looks.append(row)
            row += max(self.block, row // 50)
        return looks

    def _whitened(self, sized: Array, memory: float) -> Array:
        """Length of the bands once correlations seen so far are taken out, smoothed a little."""
        count, rows = sized.shape
        clipped = np.clip(sized, -4.0, 4.0)
        starts = self._looks(rows)
        seen = np.empty((len(starts), count, count))
        for i in range(count):
            for j in range(i, count):
                product = _before(_average(clipped[i] * clipped[j], memory))
                seen[:, i, j] = seen[:, j, i] = product[starts]
        doubt = _DOUBT / (_DOUBT + np.array(starts, dtype=np.float64))
        seen = (1.0 - doubt)[:, None, None] * seen + (doubt + 1e-3)[:, None, None] * np.eye(count)
        weights, vectors = np.linalg.eigh(seen)
        weights = np.maximum(weights, 1e-4 * np.maximum(weights.max(axis=1, keepdims=True), 1e-9))
        rotate = vectors / np.sqrt(weights)[:, None, :]
        power = np.empty(rows)
        for index, (start, stop) in enumerate(pairwise([*starts, rows])):
            part = slice(start, stop)
            power[part] = np.mean((rotate[index].T @ sized[:, part]) ** 2, axis=0)
        return np.sqrt(_average(power, 4.0, 1.0))

    def _tail(self, statistic: Array, memory: float) -> Array:
        """-log10 of the chance of each value, by the tail of the values before its block."""
        result = np.empty(len(statistic))
        reach = int(6 * memory)
        for start, stop in pairwise([*self._looks(len(statistic)), len(statistic)]):
            first = max(start // 10, start - reach)
            past = statistic[first:start]
            past = past[:: max(1, len(past) // 4096)]
            edge, slope = _fit_tail(past)
            part = statistic[start:stop]
            excess = np.log(np.maximum(part, 1e-12) / edge) / slope
            below = _EDGE_SCORE * np.minimum(part / edge, 1.0)
            above = _EDGE_SCORE + excess / np.log(10.0)
            result[start:stop] = np.where(excess > 0.0, above, below)
        return result


_DOUBT = 100.0
"""Rows' worth of belief that bands are uncorrelated and that a young series surprises nobody."""
_UNSIZED = 10
"""Rows in which no band has a size yet; what they would say echoes for hundreds of rows."""
_MOST = 1e6
"""A band this many times its usual size is as surprising as can be."""
_LARGEST = 1e100
"""Values beyond are as good as that: their differences would overflow."""
_LEVEL_HALF_LIFE = 16.0
"""Samples over which the level is averaged that tells up from down."""
_QUANTILE = 0.95
_EDGE_SCORE = float(-np.log10(1.0 - _QUANTILE))


def _fit_tail(past: Array) -> tuple[float, float]:
    """95th percentile and mean log excess over it, shrunk to what is common while few are known."""
    trust = len(past) / (len(past) + 100.0)
    edge = 1.7
    excesses = np.empty(0)
    if len(past) >= 10:
        own = max(float(np.quantile(past, _QUANTILE)), 1e-9)
        edge = float(np.exp(trust * np.log(own) + (1.0 - trust) * np.log(edge)))
        excesses = np.log(past[past > own] / own)
    typical = float(np.median(excesses) / np.log(2.0)) if excesses.size else 0.35
    slope = (typical * excesses.size + 20.0 * 0.35) / (excesses.size + 20.0)
    return edge, max(slope, 0.05)


def _average(values: Array, half_life: float, start: float | None = None) -> Array:
    """Exponential average; without *start* it is corrected for its beginning (Adam's trick)."""
    gain = 1.0 - 0.5 ** (1.0 / half_life)
    keep = 1.0 - gain
    if start is not None:
        averaged: Array = lfilter([gain], [1.0, -keep], values, zi=np.array([keep * start]))[0]
        return averaged
    weight = 1.0 - keep ** np.arange(1, len(values) + 1)
    corrected: Array = lfilter([gain], [1.0, -keep], values) / weight
    return corrected


def _faded_record(scores: Array, fade: float) -> Array:
    """The highest score before each row, less *fade* for each row since; at least 0."""
    since = fade * np.arange(len(scores), dtype=np.float64)
    record = np.maximum.accumulate(scores + since) - since
    return np.maximum(_before(record), 0.0)


def _before(values: Array) -> Array:
    """Each row's predecessor; the first row's is itself."""
    shifted: Array = np.concatenate([values[:1], values[:-1]])
    return shifted


def _carry_forward(values: Array, missing: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Array:
    """Missing rows bear the last known value, so that they surprise nobody."""
    index = np.where(missing, 0, np.arange(len(values)))
    np.maximum.accumulate(index, out=index)
    carried: Array = values[index].astype(np.float64)
    carried[~np.isfinite(carried)] = values[~missing][0]
    return np.clip(carried, -_LARGEST, _LARGEST)
