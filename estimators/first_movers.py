"""Which of many series moved first and most, controlled for how many were looked at.

A series moves by as much as it leaves its lowest level of the window, and that counts in units of
how far it usually moves in a window of the same length: what flaps all day is no news. Because
many series are looked at, the largest of their movements is compared with the largest movement of
any series in each window of the past (the maxT of Westfall & Young, Resampling-Based Multiple
Testing, 1993), which holds however the series depend on each other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocabulary.samples import Array

USUAL = 0.99
"""Quantile of past movements that a movement is measured in."""
INSIDE = 0.005
"""Where a window begins must lie inside the past but for so much at either end: a series that was
elsewhere before the onset already is no witness of it."""
LEAST_WINDOWS = 20
LAG = 0.1
"""Weight that a column of delay costs (as exp(-LAG * columns)): of equals the earlier leads. Our
judgement, looked at on the training cases of petshop."""


@dataclass(frozen=True, slots=True)
class Mover:
    """One series that moved in the window."""

    index: int
    strength: float
    """Its movement over what is usual for it; from about 1 on it is unusual for it alone."""
    lag: int
    """Column of the window in which it was unusual first; the last where it never was."""
    p_value: float
    """Share of past windows in which any of the series moved as strongly."""

    @property
    def score(self) -> float:
        """First and most in one number."""
        return self.strength * float(np.exp(-LAG * self.lag))


def first_movers(values: Array, window: int, floors: Array) -> list[Mover]:
    """The series (rows of *values*) by how far they rose in the newest *window* columns.

    A series of which a fall is the bad news is given with its sign turned, one that is relative by
    its logarithm. *floors* are movements below which nobody cares, one for each series. What has
    too little past, or began the window outside of it, is left out.
    """
    past = values.shape[1] - window
    if past < window or not len(values):
        return []
    windows = np.lib.stride_tricks.sliding_window_view(values[:, :past], window, axis=1)
    moves = _rise(windows)
    known = _enough(moves[:, : moves.shape[1] // 2]) & _enough(moves)
    newest = values[:, past:]
    known &= _began_inside(values[:, :past], newest, floors, known)
    moves, newest, floors = moves[known], newest[known], floors[known]
    if not len(moves):
        return []
    rise, scale = _rise(newest), np.nanquantile(moves, USUAL, axis=1) + floors
    p_values = _by_chance(rise, moves, floors)
    found = [
        Mover(int(index), float(rise[row] / scale[row]), _lag(newest[row], float(scale[row])),
              float(p_values[row]))
        for row, index in enumerate(np.flatnonzero(known)) if np.isfinite(rise[row])
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.score, one.index))


def _enough(moves: Array) -> npt.NDArray[np.bool_]:
    counted: npt.NDArray[np.bool_] = np.isfinite(moves).sum(axis=1) >= LEAST_WINDOWS
    return counted


def _by_chance(rise: Array, moves: Array, floors: Array) -> Array:
    """Share of the newer past windows in which the largest of all series moved as far as each.

    What is usual is taken from the older half alone: a window must not be judged by a yardstick
    that it helped to make, or the past looks calmer than the present ever will.
    """
    half = moves.shape[1] // 2
    scale = np.nanquantile(moves[:, :half], USUAL, axis=1) + floors
    largest = np.fmax.reduce(moves[:, half:] / scale[:, None], axis=0)
    largest = largest[np.isfinite(largest)]
    beaten = (largest[None, :] >= (rise / scale)[:, None]).sum(axis=1)
    shares: Array = (1.0 + beaten) / (1.0 + len(largest))
    return shares


def _rise(windows: Array) -> Array:
    """Largest rise above the lowest value so far, in each window (last axis); NaN if unknown."""
    lowest = np.fmin.accumulate(windows, axis=-1)
    known: npt.NDArray[np.bool_] = np.isfinite(windows).sum(axis=-1) >= 2
    rise: Array = np.fmax.reduce(windows - lowest, axis=-1)
    return np.where(known, rise, np.nan)


def _began_inside(
    past: Array, newest: Array, floors: Array, known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(past), dtype=bool)
    if not known.any():
        return inside
    low, high = np.nanquantile(past[known], [INSIDE, 1.0 - INSIDE], axis=1)
    rows = newest[known]
    at = np.argmax(np.isfinite(rows), axis=1)
    begun = rows[np.arange(len(rows)), at]
    with np.errstate(invalid="ignore"):
        inside[known] = (low - floors[known] <= begun) & (begun <= high + floors[known])
    return inside


def _lag(row: Array, least: float) -> int:
    """The first column that has risen by *least*; the last column where none has."""
    with np.errstate(invalid="ignore"):
        risen = np.flatnonzero(row - np.fmin.accumulate(row) >= least)
    return int(risen[0]) if risen.size else len(row) - 1
