"""Exponential averages of many series, row by row or in blocks, to the same bits."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Numbers = npt.NDArray[np.float32]
NARROW = 48
"""Columns up to which a filter along time is faster than a loop over rows; our measurement."""


def gain_of(half_life: float) -> np.float32:
    """Weight of the newest row of an average with this half-life in rows."""
    return np.float32(1.0 - 0.5 ** (1.0 / half_life))


def averages(block: Numbers, start: Numbers, gain: Numbers | np.float32) -> Numbers:
    """The average after each row of *block*, from *start* on.

    *block* has time first; *start* is one row; *gain* is one weight, or one for each entry of
    the second axis. Both ways compute `gain * x + keep * before` in single precision, in this
    order, so that how rows are cut into blocks changes nothing.
    """
    gains = np.asarray(gain, dtype=np.float32)
    shaped = gains.reshape(gains.shape + (1,) * (start.ndim - gains.ndim)) if gains.ndim else gains
    if len(block) > 2 and start.size <= NARROW:
        return _filtered(block, start, gains)
    result: Numbers = block * shaped
    keep = np.float32(1.0) - shaped
    kept = np.empty_like(start)
    before = start
    for index in range(len(result)):
        np.multiply(before, keep, out=kept)
        result[index] += kept
        before = result[index]
    return result


def _filtered(block: Numbers, start: Numbers, gains: npt.NDArray[Any]) -> Numbers:
    """The same by a recursive filter along time."""
    if not gains.ndim:
        return _filter(block, start, gains)
    result = np.empty_like(block)
    for index, gain in enumerate(gains):
        result[:, index] = _filter(block[:, index], start[index], gain)
    return result


def _filter(block: Numbers, start: Numbers, gain: npt.NDArray[Any]) -> Numbers:
    keep = np.float32(1.0) - gain
    coefficients = np.array([gain], np.float32), np.array([1.0, -keep], np.float32)
    found: Numbers = lfilter(*coefficients, block, axis=0, zi=(start * keep)[None])[0]
    return found


def decayed(weighted: Numbers, start: Numbers, gain: np.float32) -> Numbers:
    """The average after the last row of a block whose rows bear their weight already."""
    keep = np.float32(1.0) - gain
    coefficients = np.ones(1, np.float32), np.array([1.0, -keep], np.float32)
    found: Numbers = lfilter(*coefficients, weighted, axis=0, zi=(start * keep)[None])[0][-1]
    return found


def before(block: Numbers, start: Numbers) -> Numbers:
    """Each row's predecessor; *start* is the first row's."""
    return np.concatenate([start[None], block[:-1]])
