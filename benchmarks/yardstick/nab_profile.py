"""NAB's own scoring, standard profile (Lavin and Ahmad, ICMLA 2015; numenta/NAB on GitHub).

The first alarm in a window earns the more the earlier it is, a missed window costs 1, a false alarm
costs up to 0.11, less right after a window. One threshold for all files, the best there is, as
NAB chooses it. 0 is a detector that never alarms, 100 one that alarms at the first row of every
window and nowhere else. The first 15 % of a file (750 rows at most) are not scored.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.yardstick.judging import stretches
from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]
FALSE_COST, MISS_COST = 0.11, 1.0
PROBATION, MOST_PROBATION = 0.15, 750
QUIET_SECONDS = 86_400.0
"""An alarm is told once: a row counts only where it is odder than all of the day before it."""
TRIED = 400


def told_once(scores: Array, step: float) -> Array:
    """Scores of rows that are odder than all within a day before; the rest is no alarm."""
    known = np.nan_to_num(scores, nan=-np.inf)
    rows = max(1, int(QUIET_SECONDS / step))
    padded = np.concatenate([np.full(rows, -np.inf), known])[:-1]
    before = np.lib.stride_tricks.sliding_window_view(padded, rows).max(axis=1)
    return np.where(known > before, known, -np.inf)


def best_score(files: Sequence[tuple[Flags, Array]]) -> float:
    """NAB's normalised score of *files* (rows in windows, scores) at the best threshold."""
    gains, windows = [], 0
    for odd, scores in files:
        probation = int(min(PROBATION * len(odd), MOST_PROBATION))
        spans = stretches(odd)
        spans = spans[spans[:, 1] >= probation]
        windows += len(spans)
        gains.append(_gains(scores, spans, probation))
    levels = np.unique(np.concatenate([part[:, 0] for part in gains]))
    levels = levels[np.unique(np.linspace(0, len(levels) - 1, TRIED).astype(int))]
    totals = sum(_totals(part, levels) for part in gains)
    raw = float(np.max(totals)) - MISS_COST * windows
    return 100.0 * (raw + MISS_COST * windows) / ((1.0 + MISS_COST) * windows)


def _gains(scores: Array, spans: npt.NDArray[np.intp], probation: int) -> Array:
    """Score, place (window or -1) and what an alarm at that row brings, of rows with a score."""
    rows = np.flatnonzero(np.isfinite(scores))
    rows = rows[rows >= probation]
    place = np.full(len(rows), -1)
    worth = np.full(len(rows), -FALSE_COST)
    for index, (begin, end) in enumerate(spans.tolist()):
        inside = (rows >= begin) & (rows <= end)
        place[inside] = index
        worth[inside] = _sigmoid(-(end - rows[inside] + 1) / (end - begin + 1)) / _sigmoid(-1.0)
        after = rows > end
        worth[after] = FALSE_COST * _sigmoid((rows[after] - end) / max(end - begin, 1))
    return np.column_stack([scores[rows], place, worth])


def _totals(gains: Array, levels: Array) -> Array:
    """What one file brings at each level, a found window with the miss that it spares."""
    totals = np.zeros(len(levels))
    for level, index in zip(levels, range(len(levels)), strict=True):
        said = gains[gains[:, 0] >= level]
        inside = said[:, 1] >= 0
        best: dict[float, float] = {}
        for place, worth in said[inside, 1:].tolist():
            best[place] = max(best.get(place, -1.0), worth)
        totals[index] = sum(best.values()) + MISS_COST * len(best) + said[~inside, 2].sum()
    return totals


def _sigmoid(place: npt.ArrayLike) -> Array:
    """From 1 at the beginning of a window over 0 at its end to -1, three lengths after it."""
    at = np.asarray(place, np.float64)
    return np.where(at > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(at, 3.0))) - 1.0)
