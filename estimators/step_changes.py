"""When a level changed for good: the row, by how much, how sure, and when it could be known.

Two kinds of record need two tests. Rows that come every few minutes or faster are *dense*: their
neighbours resemble each other, their level wanders by itself, and a step is the sharp edge that
wandering does not make. So the series is passed through an exponential average of short memory,
and its one-step errors are correlated with what a step would leave there (a matched filter: the
generalised likelihood ratio of a step in an ARIMA(0,1,1) series, Box & Tiao, JASA 1975), in units
of what that statistic usually is on this very series; at three lengths of memory, because how far
a level wanders differs. Rows that are single runs of a benchmark
form a *history*: few, nearly independent, wanted soon; there the newest few runs are compared
with up to forty before (see `estimators.run_history`).

Loads, where given, explain what they can: a relative linear model, re-weighted by Huber's function
(1964), fitted to rows before those it judges and fitted anew as rows come; what it does not know
about its coefficients widens the test where loads move.

Everything said at a row uses that row and rows before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm

from estimators import run_history
from estimators.load_adjustment import Adjusted, adjust
from estimators.onset import step_time
from estimators.robust import finite, median
from estimators.two_windows import went_away
from vocabulary.samples import Array


@dataclass(frozen=True, slots=True)
class Change:
    """One step. Levels and effect are in the unit of the series, at equal load."""

    index: int
    """First row of the new level."""
    detected: int
    """Row at which it could first be said."""
    before: float
    after: float
    effect: float
    lower: float
    """Lower end of the 99 % interval of *effect*."""
    upper: float
    p_value: float
    """Two-sided, that nothing changed at this row."""
    withdrawn: int | None = None
    """Row at which the level was seen to have returned; None while the change stands."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a dense step is looked for.

    A large one is seen within minutes by a short memory, a small one within hours by a long one,
    where a series wanders little.
    """

    gain: float
    """Of the average that follows the wandering: 0.08 remembers about twelve rows."""
    windows: tuple[int, ...]
    """Rows over which a step is gathered: most of what the average leaves of it."""
    edge: float
    """Units of the statistic's usual size from which it is a step; a long memory takes wandering
    for a step more often, and needs more."""


@dataclass(frozen=True, slots=True)
class StepChanges:
    """Finds steps in one series; one configuration for everything."""

    history_step: float = 600.0
    """Seconds between rows from which a row is a run of its own and no sample: our judgement."""
    history_rows: int = 500
    """A table shorter than this is a history too: it cannot show what wandering is usual."""
    scales: tuple[Scale, ...] = (
        Scale(0.08, (12, 20), 5.8),
        Scale(0.03, (20, 40), 5.8),
        Scale(0.015, (40, 80), 6.4),
    )
    """Those after the first need loads. With them about one false change in 50 series-days was
    found on replayed LLM traffic at equal load, drifting as cloud machines do."""
    usual: float = 2880.0
    """Rows, half-life: over which the statistic's usual size is learnt."""
    least: float = 0.01
    """Smallest step worth a word, as a share of the level, where the level is above zero."""
    refit: int = 720
    """Rows between two fits of the load model."""
    warm_up: int = 240
    """Dense rows before the first change: the usual size is a guess before."""

    def find(self, values: Array, step: float, loads: Array | None = None) -> list[Change]:
        """The changes of *values* (rows *step* seconds apart), by row; *loads* has shape (N, K)."""
        known = np.isfinite(values)
        if loads is not None:
            known &= np.isfinite(loads).all(axis=1)
        rows = np.flatnonzero(known)
        history = step >= self.history_step or len(values) < self.history_rows
        warm_up = run_history.WARM_UP if history else self.warm_up
        if len(rows) <= warm_up or float(np.ptp(values[rows])) == 0.0:
            return []
        seen = values[rows]
        parts = self._parts(seen, None if loads is None else loads[rows], history)
        found = run_history.scan(parts) if history else self._scan(parts)
        positive = bool((seen > 0.0).all())
        changes = (self._change(seen, rows, hit) for hit in found)
        return [one for one in changes if not positive or self._matters(one)]

    def _matters(self, change: Change) -> bool:
        return abs(change.effect) >= self.least * abs(change.before)

    def _parts(self, values: Array, loads: Array | None, history: bool) -> Iterator[Adjusted]:
        """What is left of the series once loads are taken out, for one stretch of rows each."""
        if loads is None:
            yield Adjusted(values, 0, len(values), relative=False)
            return
        first, every = (run_history.FIRST_FIT, 50) if history else (self.refit, self.refit)
        for start in range(first, len(values), every):
            stop = min(start + every, len(values))
            part = adjust(values[:stop], loads[:stop], start)
            if part is not None:
                yield part

    def _scan(self, parts: Iterator[Adjusted]) -> Iterator[run_history.Hit]:
        said = -(10**9)
        for part in parts:
            seen = self._statistic(part)
            for row in np.flatnonzero(seen.reach >= 1.0).tolist():
                # a longer memory sees the same step for longer
                if row < max(part.start, self.warm_up) or row < said + 3 * int(seen.window[row]):
                    continue
                hit = _localised(part, row, seen)
                if hit is not None:
                    yield hit
                    said = row

    def _statistic(self, part: Adjusted) -> "_Seen":
        """How far each row's best window lies beyond the usual, and the step it estimates."""
        rows = len(part.values)
        seen = _Seen(np.zeros(rows), np.zeros(rows), np.zeros(rows), np.ones(rows, np.intp))
        # what moves with a load that nobody named wanders as far as any step
        for scale in self.scales if part.design is not None else self.scales[:1]:
            errors = _errors(part.values, scale.gain)
            settled = errors[: max(part.start, self.warm_up)][60:]
            sigma = max(1.4826 * float(np.median(np.abs(settled))), _LEAST_SIGMA)
            errors = np.clip(errors, -_WILD * sigma, _WILD * sigma)
            moves = None if part.design is None else _errors(part.design, scale.gain)
            unsure = None if moves is None else _uncertainty(moves, part.start, sigma)
            for window in scale.windows:
                weights = (1.0 - scale.gain) ** np.arange(window)[::-1]
                power = float(weights @ weights)
                effect = lfilter(weights, [1.0], errors) / power
                variance = np.full(rows, sigma**2 / power)
                if moves is not None and unsure is not None:
                    together = lfilter(weights, [1.0], moves, axis=0) / power
                    variance += np.einsum("ij,jk,ik->i", together, unsure, together)
                size = np.abs(effect) / np.sqrt(variance)
                size /= self._usual_size(size, window)
                better = size / scale.edge > seen.reach
                seen.reach[better] = size[better] / scale.edge
                seen.strength[better], seen.effect[better] = size[better], effect[better]
                seen.window[better] = max(scale.windows)
        return seen

    def _usual_size(self, size: Array, window: int) -> Array:
        """Root mean square of the statistic before each row's window, at least 0.8."""
        keep = 0.5 ** (1.0 / self.usual)
        power: Array = lfilter([1.0 - keep], [1.0, -keep], np.minimum(size, 4.0) ** 2)
        power = power / (1.0 - keep ** np.arange(1, len(size) + 1))
        before = np.concatenate([np.ones(window), np.sqrt(power)[:-window]])[: len(size)]
        floored: Array = np.maximum(before, 0.8)
        return floored

    def _change(self, values: Array, rows: "np.ndarray[tuple[int], np.dtype[np.intp]]",
                hit: run_history.Hit) -> Change:  # fmt: skip
        before = median(finite(values[max(0, hit.index - run_history.BEFORE) : hit.index]))
        scale = before if hit.relative else 1.0
        effect = scale * float(np.expm1(hit.effect)) if hit.relative else hit.effect
        reach = _REACH * abs(effect) / hit.strength
        return Change(
            index=int(rows[hit.index]),
            detected=int(rows[hit.row]),
            before=before,
            after=before + effect,
            effect=effect,
            lower=effect - reach,
            upper=effect + reach,
            p_value=float(2.0 * norm.sf(hit.strength)),
            withdrawn=None if hit.withdrawn is None else int(rows[hit.withdrawn]),
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """At each row, of the clearest step that ends there."""

    reach: Array
    """Its size as a share of the edge of its scale."""
    strength: Array
    """Its size in units of what is usual."""
    effect: Array
    window: "np.ndarray[tuple[int], np.dtype[np.intp]]"


def _localised(part: Adjusted, row: int, seen: _Seen) -> run_history.Hit | None:
    """The step that the statistic sees at *row*: where it began; None when it is gone again."""
    effect, rest = float(seen.effect[row]), min(2 * int(seen.window[row]), row + 1)
    newest = part.values[row + 1 - rest : row + 1]
    begun = step_time(np.arange(rest, dtype=np.float64), newest)
    index = row + 1 - rest + int(begun or 0)
    before, after = part.values[max(0, index - rest) : index], part.values[index : row + 1]
    step = median(after) - median(before)
    if not abs(effect) / 2.0 < step * np.sign(effect) or went_away(before, after):
        return None
    return run_history.Hit(index, row, step, float(seen.strength[row]), part.relative)


_REACH = float(norm.ppf(0.995))
_WILD = 3.5
"""Errors beyond this many σ count as that much: one wild row is no step."""
_LEAST_SIGMA = 1e-12


def _errors(values: Array, gain: float) -> Array:
    """One-step errors of an exponential average, along the first axis."""
    started = values - values[:1]
    errors: Array = lfilter([1.0, -1.0], [1.0, gain - 1.0], started, axis=0)
    return errors


def _uncertainty(moves: Array, start: int, sigma: float) -> Array:
    """Covariance of the load model's coefficients, from how much the loads moved before."""
    past = moves[:start]
    gram = past.T @ past
    ridge = 1e-6 * max(float(np.trace(gram)), 1e-12) / len(gram)
    return np.asarray(np.linalg.inv(gram + ridge * np.eye(len(gram))) * sigma**2, np.float64)
