"""How odd rows are by what their series remember: the arithmetic of the live engine.

Works on parts of the engine's state, many series and several rows at once, and knows nothing of
where they come from. `point_anomaly` says what the figures mean.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from estimators import tails, whitening
from estimators.averages import Numbers, averages, before, gain_of
from estimators.engine_state import TINY, State
from estimators.point_anomaly import DAY, PointAnomaly

Flags = npt.NDArray[np.bool_]
Ages = npt.NDArray[np.int32]

UNSIZED = 10
"""Rows in which no band has a size yet; what they would say echoes for hundreds of rows."""
MATURE = 1 << 14
"""Rows from which a slow band needs no faster one to stand in for its size."""
MOST = np.float32(1e6)
"""A band this many times its usual size is as surprising as can be."""
CLIPPED = np.float32(4.0)
"""Sizes beyond this count as this for the covariance: an outlier is no habit."""
LENGTH_HALF_LIFE = 2.0
"""Rows over which the whitened length is averaged: a shape needs a few, a spike has no more."""
SELDOM = 4
"""One row in so many teaches the covariance, chosen by hashed time so that no rhythm misses them:
bands repeat themselves, and their products are a third of the work."""
WEIGHTS = 1 << 20
"""Rows after which an average over a month is as good as whole."""
_RECORD = float(1 << 20)
"""Steps of the record in one unit of score; whole numbers fade alike in blocks and row by row."""


@dataclass(frozen=True, slots=True)
class Oddness:
    """Scores rows that are *step* seconds apart."""

    judge: PointAnomaly
    step: float

    def advance(self, part: State, values: Numbers, ticks: Ages, *, learn: bool) -> Numbers:
        """Scores of rows [time, series], all known, between two looks; *part* moves on."""
        step = np.arange(len(values), dtype=np.int32)[:, None]
        ages = part["age"] + (step if learn else np.zeros_like(step))
        sized, sizes = self._sized(part, values, ages, learn=learn)
        statistics = np.empty((len(values), 2, values.shape[1]), np.float32)
        np.sqrt(_mean_square(sized), out=statistics[:, 0])
        lengths = whitening.power(part["whitener"], sized)
        lengths = averages(lengths, part["length"], gain_of(LENGTH_HALF_LIFE))
        part["length"][:] = lengths[-1]
        np.sqrt(lengths, out=statistics[:, 1])
        rare, beyond, far = tails.rareness(statistics, part["edge"], part["slope"])
        scores = rare[:, 0] + rare[:, 1]
        patience = part["patience"]
        rows = ages.astype(np.float32)
        scores *= rows / (rows + np.float32(2.0) * patience)
        early = ages < patience
        record = self._habit(part, scores, early, learn=learn)
        if learn:
            part["sizes"][:], part["record"][:] = sizes, record
            seldom = np.clip(sized[_looked_at(ticks)], -CLIPPED, CLIPPED)
            gain = np.float32(SELDOM) * gain_of(self._memory())
            part["shape"][:] = whitening.learnt(part["shape"], seldom, gain)
            part["beyond"] += beyond.astype(np.uint16)
            part["far"] += far.astype(np.uint16)
            part["age"] += np.int32(len(values))
        scores += np.float32(self.judge.pace * np.log10(max(self.step, 1.0) / 60.0))
        scores[early] = np.nan
        return scores

    def _sized(
        self, part: State, values: Numbers, ages: npt.NDArray[np.int32], *, learn: bool
    ) -> tuple[Numbers, Numbers]:
        """Bands in their usual sizes, and the next sizes."""
        count = len(self.judge.half_lives)
        gains = np.array([gain_of(half) for half in self.judge.half_lives])
        wide = np.broadcast_to(values[:, None], (len(values), count, values.shape[1]))
        levels = averages(wide, part["averages"], gains)
        bands = np.empty_like(levels)
        np.subtract(values, before(levels[:, 0], part["averages"][0]), out=bands[:, 0])
        np.subtract(levels[:, :-1], levels[:, 1:], out=bands[:, 1:])
        part["averages"][:] = levels[-1]
        memory = gain_of(self._memory())
        known = averages(np.abs(bands), part["sizes"], memory)
        usual = before(known, part["sizes"]) if learn else _still(known, part["sizes"])
        usual /= np.maximum(self._weight(ages), np.float32(1e-12))[:, None]
        self._stand_in(usual, ages)
        bands /= np.maximum(usual, part["least"], out=usual)
        np.clip(bands, -MOST, MOST, out=bands)
        if ages.min() < UNSIZED:
            bands *= (ages >= UNSIZED)[:, None]
        return bands, known[-1]

    def _stand_in(self, usual: Numbers, ages: npt.NDArray[np.int32]) -> None:
        """A slow band shows its size late; until then the next faster band's stands in for it."""
        if ages.min() >= MATURE:
            return
        rows = ages.astype(np.float32)
        for j, half in enumerate(self.judge.half_lives[1:], start=1):
            ends = np.float32(MATURE / (MATURE + 2.0 * half))
            trust = np.minimum(rows / (rows + np.float32(2.0 * half)) / ends, np.float32(1.0))
            mixed = trust * usual[:, j] + (np.float32(1.0) - trust) * usual[:, j - 1]
            np.maximum(usual[:, j], mixed, out=usual[:, j])

    def _habit(
        self, part: State, scores: Numbers, early: Flags, *, learn: bool
    ) -> npt.NDArray[np.int32]:
        """Take off what a series often does, and single odd rows; gives the next record."""
        steady = np.minimum(scores, before(scores, part["before"][0]))
        part["before"][0] = scores[-1]
        steady[early] = 0.0
        fade = round(self.judge.fade_per_day * self.step / DAY * _RECORD)
        since = fade * np.arange(len(scores), dtype=np.int64)[:, None]
        highest = np.maximum(steady * np.float64(_RECORD), 0.0).astype(np.int64) + since
        start = part["record"].astype(np.int64)
        highest[0] = np.maximum(highest[0], start - fade)
        record = np.maximum.accumulate(highest, axis=0) - since
        last = np.concatenate([start[None], record[:-1]]) if learn else start[None]
        beyond = (last * (1.0 / _RECORD)).astype(np.float32) - np.float32(2.0 * tails.EDGE_SCORE)
        scores -= np.float32(self.judge.habit) * np.maximum(beyond, np.float32(0.0))
        if self.step <= 300.0:
            whole = scores.copy()
            np.minimum(scores, before(whole, part["before"][1]), out=scores)
            part["before"][1] = whole[-1]
        newest: Ages = np.minimum(record[-1], 2**31 - 1).astype(np.int32)
        return newest

    def look(self, part: State) -> None:
        """Turn what was counted since the last look into shapes and tails."""
        age = part["age"]
        own = (part["patience"] == self.judge.warm_up) | (age >= 2.0 * tails.DOUBT_ROWS)
        doubt = tails.DOUBT_ROWS / (tails.DOUBT_ROWS + age[own])
        shape = part["shape"][:, own] / self._weight(age[own])
        meant = part["least"] > TINY
        for index in range(len(self.judge.half_lives)):
            # still bands are not blown up where somebody said which movement means anything
            variance = shape[index * (index + 3) // 2]
            np.maximum(variance, np.where(meant[own], 1.0, 0.0), out=variance)
        part["whitener"][:, own] = whitening.whitener(shape, doubt)
        new, known = age - part["looked"], np.minimum(age, 6.0 * self._memory())
        part["edge"][:], part["slope"][:] = tails.relearnt(
            part["edge"], part["slope"], part["beyond"], part["far"], new, known
        )
        np.maximum(part["edge"], np.where(meant, np.float32(1.0), TINY), out=part["edge"])
        part["beyond"][:] = part["far"][:] = 0
        part["looked"][:] = age
        shift = part["averages"][-1].copy()
        part["reference"] += shift
        part["averages"] -= shift

    def inherit(self, new: State, kin: State) -> None:
        """Begin *new* series with the shape and the tail of their *kin*; sizes are their own."""
        for name in ("edge", "slope"):
            new[name][:] = np.exp(np.log(kin[name]).mean(axis=1, keepdims=True))
        shape = (kin["shape"] / self._weight(kin["age"])).mean(axis=1, keepdims=True)
        new["whitener"][:] = whitening.whitener(shape, np.zeros(1))
        new["patience"][:] = self.judge.warm_up_with_kin

    def _memory(self) -> float:
        """Half-life of what is usual, in rows."""
        return max(50.0, self.judge.memory_days * DAY / self.step)

    def _weight(self, ages: Ages) -> Numbers:
        weights = _weights(float(gain_of(self._memory())))
        found: Numbers = weights[np.minimum(ages, len(weights) - 1)]
        return found


@lru_cache(maxsize=8)
def _weights(gain: float) -> Numbers:
    """Weight of an average that began at nothing, after 0, 1, … rows."""
    rows = min(WEIGHTS, int(17.0 / gain))
    weights: Numbers = -np.expm1(np.arange(rows + 1) * np.log1p(-gain)).astype(np.float32)
    return weights


def _looked_at(ticks: Ages) -> Flags:
    """Rows that teach the covariance (Fibonacci hashing, Knuth, TAOCP 6.4)."""
    hashed = (ticks.astype(np.uint64) * np.uint64(2654435769)) & np.uint64(0xFFFFFFFF)
    chosen: Flags = hashed < np.uint64(2**32 // SELDOM)
    return chosen


def _mean_square(bands: Numbers) -> Numbers:
    """Over bands, one after the other: sums of one series must not depend on their neighbours."""
    total = bands[:, 0] * bands[:, 0]
    for index in range(1, bands.shape[1]):
        total += bands[:, index] * bands[:, index]
    total /= np.float32(bands.shape[1])
    return total


def _still(block: Numbers, row: Numbers) -> Numbers:
    return np.broadcast_to(row, block.shape).copy()
