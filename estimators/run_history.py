"""Steps in a history of runs: the newest few against up to forty before, taken back when they go.

Runs of a benchmark are nearly independent, so that four or five of them suffice: a trimmed mean
of the newest against the median before, in units of the robust spread before. A level that does
not hold for fifteen runs was an excursion: it is withdrawn, and the old level stays the reference.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from estimators.load_adjustment import Adjusted
from estimators.robust import spread
from vocabulary.samples import Array

NEWEST = (4, 5, 6, 8, 11, 15, 20, 30)
"""Runs that are compared with those before."""
BEFORE = 40
"""Runs before, at most: a machine is not the same machine for ever."""
WARM_UP = 10
"""Runs before a first change, at least."""
FIRST_FIT = 20
"""Runs a first load model is fitted to."""
EDGE = 2.75
"""Standard errors; with *LEAST* it gave 0.2 false changes in 100 runs on two years of public
benchmark histories on cloud machines, real shifts counted as false."""
LEAST = 0.025
"""Smallest step, as a share of the level before: half of the five per cent that people act on."""
FAR = 0.5
"""All but a fifth of the newest runs must lie this share of the step beyond the level before."""
HOLD = 15
"""Runs after which a step must still be there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A step found at *row* that began at *index*."""

    index: int
    row: int
    effect: float
    strength: float
    """Size in standard errors."""
    relative: bool
    withdrawn: int | None = None


@dataclass(slots=True)
class _Reference:
    """Where the present level began, and the step that is still on trial."""

    start: int = 0
    trial: Hit | None = None


def scan(parts: Iterable[Adjusted]) -> list[Hit]:
    """Steps in order; withdrawn ones included and marked."""
    hits: list[Hit] = []
    reference = _Reference()
    for part in parts:
        hits.extend(_steps(part, reference))
    if reference.trial is not None:
        hits.append(reference.trial)
    return hits


def _steps(part: Adjusted, reference: _Reference) -> Iterator[Hit]:
    """Each step whose trial ends in this part."""
    for row in range(max(part.start, WARM_UP + min(NEWEST) - 1), part.stop):
        trial = reference.trial
        if trial is not None and row >= trial.index + HOLD:
            reference.trial = None
            holds = _step(part, trial.index, row, reference.start) is not None
            if holds:
                reference.start = trial.index
            yield trial if holds else replace(trial, withdrawn=row)
        found = _strongest(part, row, reference.start)
        if found is None or (reference.trial is None and found.index <= reference.start):
            continue
        if reference.trial is None:
            reference.trial = found
        elif _overtakes(part, found, reference.trial, reference.start):
            yield replace(reference.trial, withdrawn=row)
            reference.trial = found


def _overtakes(part: Adjusted, found: Hit, trial: Hit, start: int) -> bool:
    """Whether the step on trial was only the eve of *found*, which is another and the clearer."""
    if found.index - trial.index <= min(NEWEST):
        return False
    again = _step(part, trial.index, found.row, start)
    return again is None or found.strength > again.strength


def _strongest(part: Adjusted, row: int, start: int) -> Hit | None:
    hits = [_step(part, row - newest + 1, row, start) for newest in NEWEST]
    return max((hit for hit in hits if hit is not None), key=lambda hit: hit.strength, default=None)


def _step(part: Adjusted, index: int, row: int, start: int) -> Hit | None:
    """The step from before *index* to *index*…*row*; None when it is none."""
    before = part.values[max(start, index - BEFORE) : max(index, 0)]
    if len(before) < WARM_UP:
        return None
    after = np.sort(part.values[index : row + 1])
    cut = len(after) // 5
    level = float(np.median(before))
    unit = 1.0 if part.relative else max(abs(level), float(np.ptp(before)))
    effect = float(after[cut : len(after) - cut].mean()) - level
    sigma = max(spread(before), 1e-3 * unit)
    strength = abs(effect) / (sigma * float(np.sqrt(1.0 / len(after) + 1.0 / len(before))))
    if abs(effect) < LEAST * unit or strength < EDGE or not _holds(after - level, effect):
        return None
    return Hit(index, row, effect, strength, part.relative)


def _holds(beyond: Array, effect: float) -> bool:
    """Whether all but a fifth of the newest runs are on the far side."""
    far = np.sort(beyond * np.sign(effect))
    return bool(far[len(far) // 5] >= FAR * abs(effect))
