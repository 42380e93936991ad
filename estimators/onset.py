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
