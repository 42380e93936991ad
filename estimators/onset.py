"""When it began: dated by the data, not by the moment somebody noticed."""

import numpy as np
import numpy.typing as npt

from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]


def run_start(times: Array, values: Array, holds: Flags) -> float | None:
    """Start of the run of *holds* that reaches the newest known value; None when there is none.

    Missing values neither break a run nor begin one.
    """
    known = np.flatnonzero(np.isfinite(values))
    if not known.size or not holds[known[-1]]:
        return None
    breaks = known[~holds[known]]
    first = known[known > breaks[-1]][0] if breaks.size else known[0]
    return float(times[first])


def step_time(times: Array, values: Array, least: int = 3) -> float | None:
    """The moment that best splits *values* into two levels (least squares, one change).

    The classical estimate for one mean shift (Hinkley 1970): the split that takes away most of
    the squared error, with at least *least* known points on each side. None with too few points.
    """
    known = np.flatnonzero(np.isfinite(values))
    size = known.size
    if size < 2 * least:
        return None
    series = values[known] - values[known].mean()
    sums = np.cumsum(series)
    left = np.arange(1, size)
    gain = sums[:-1] ** 2 / (left * (size - left) / size)
    gain[: least - 1] = -1.0
    gain[size - least :] = -1.0
    return float(times[known[int(np.argmax(gain)) + 1]])


def crossing_time(times: Array, values: Array, before: float, after: float) -> float | None:
    """The moment from which *values* stand at *after* rather than at *before*.

    The maximum of Page's cumulative sum (1954) with the reference half-way between two known
    levels. A value counts at most as if it were one of them, so that no spike dates anything; and a
    smaller move long before is none of this one. None where nothing is known, or no level moved.
    """
    known = np.flatnonzero(np.isfinite(values))
    half = (after - before) / 2.0
    if not known.size or half == 0.0:
        return None
    score = np.clip((values[known] - (before + half)) / half, -1.0, 1.0)
    from_here = np.cumsum(score[::-1])[::-1]
    return float(times[known[int(np.argmax(from_here))]])
