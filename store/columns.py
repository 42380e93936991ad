"""Samples of many series side by side: ragged columns, and the grid a question is asked on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vocabulary.errors import StoreError
from vocabulary.expressions import Match
from vocabulary.samples import Array, Labels

Millis = npt.NDArray[np.int64]
"""Moments as whole milliseconds since 1970, the resolution of Prometheus; also index arrays."""

UNKNOWN_BIRTH = np.iinfo(np.int64).min
"""Stands for a series of which nobody saw the beginning."""

MOST_MOMENTS = 100_000
"""Columns one question may ask for: a year at five minutes (our judgement)."""


class Piece(NamedTuple):
    """One series' samples: times ascending and unique."""

    labels: Labels
    times: Millis
    values: Array
    birth: int = UNKNOWN_BIRTH


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Samples of several series, one after the other in two flat arrays."""

    labels: tuple[Labels, ...]
    offsets: Millis
    """Shape (S + 1,): series *i* owns the samples from offsets[i] up to offsets[i + 1]."""
    times: Millis
    values: Array
    """NaN marks that the series ended."""
    births: Millis
    """Shape (S,): when each series was seen to begin, or UNKNOWN_BIRTH."""

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, first: int, last: int) -> "Columns":
        """The series from *first* up to *last*."""
        start, stop = self.offsets[first], self.offsets[last]
        return Columns(
            self.labels[first:last],
            self.offsets[first : last + 1] - start,
            self.times[start:stop],
            self.values[start:stop],
            self.births[first:last],
        )

    def without_marks(self) -> "Columns":
        """Without staleness marks: windows look through the ends of a series."""
        real = ~np.isnan(self.values)
        if real.all():
            return self
        before = np.concatenate(([0], np.cumsum(real, dtype=np.int64)))
        return Columns(
            self.labels, before[self.offsets], self.times[real], self.values[real], self.births
        )


class Source(Protocol):
    """Where the evaluation gets its samples."""

    def __call__(self, name: str, match: Match, after: int, until: int) -> Columns:
        """Series *name* that bear *match*, with their samples in (after, until] milliseconds."""
        ...


def side_by_side(pieces: Sequence[Piece]) -> Columns:
    """*pieces* as columns, in their order."""
    lengths = [len(piece.times) for piece in pieces]
    return Columns(
        tuple(piece.labels for piece in pieces),
        np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        np.concatenate([piece.times for piece in pieces] or [np.empty(0, np.int64)]),
        np.concatenate([piece.values for piece in pieces] or [np.empty(0)]),
        np.array([piece.birth for piece in pieces], dtype=np.int64),
    )


class Held(NamedTuple):
    """One series as it is held: in parts, each in order of arrival, the later ones more recent."""

    labels: Labels
    parts: Sequence[tuple[Millis, Array]]
    birth: int = UNKNOWN_BIRTH


def gathered(held: Sequence[Held], after: int, until: int) -> Columns:
    """What is *held* in (after, until] milliseconds; series that have nothing there are left out.

    Samples that came in the order of their time, as nearly all do, are cut for all series at once.
    """
    parts = [part for one in held for part in one.parts]
    if not parts:
        return side_by_side(())
    times = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    inside = (times > after) & (times <= until)
    lengths = [sum(len(part[0]) for part in one.parts) for one in held]
    before = np.concatenate(([0], np.cumsum(inside, dtype=np.int64)))
    offsets = before[np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))]
    times, values = times[inside], values[inside]
    if not _ascending(times, offsets):
        return side_by_side(
            [piece for one in held if (piece := _piece(one, after, until)).times.size]
        )
    filled = np.flatnonzero(np.diff(offsets)).tolist()
    return Columns(
        tuple(held[row].labels for row in filled),
        np.concatenate((offsets[:1], offsets[1:][filled])),
        times,
        values,
        np.array([held[row].birth for row in filled], dtype=np.int64),
    )


def _ascending(times: Millis, offsets: Millis) -> bool:
    """Whether the times of every series rise."""
    rising = times[1:] > times[:-1]
    between = offsets[(offsets > 0) & (offsets < len(times))]
    rising[between - 1] = True  # from one series to the next they may do what they like
    return bool(rising.all())


def _piece(one: Held, after: int, until: int) -> Piece:
    times, values = merged(one.parts) if one.parts else (np.empty(0, np.int64), np.empty(0))
    first, last = np.searchsorted(times, (after, until), side="right")
    return Piece(one.labels, times[first:last], values[first:last], one.birth)


def merged(parts: Sequence[tuple[Millis, Array]]) -> tuple[Millis, Array]:
    """One series out of *parts*, ascending; of two samples at one moment the later part's stays."""
    if len(parts) == 1:
        times, values = parts[0]
    else:
        times = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
    if len(times) < 2 or bool(np.all(times[1:] > times[:-1])):
        return times, values
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    newest = np.append(times[1:] != times[:-1], True)
    return times[newest], values[newest]


def grid(start: float, end: float, step: float) -> Millis:
    """The moments start, start + step, … up to and including end, in milliseconds.

    Raises:
        StoreError: The step is not positive, or the moments are too many.
    """
    first, last, stride = round(start * 1000), round(end * 1000), round(step * 1000)
    if stride < 1:
        raise StoreError(f"a step of {step} s cannot be evaluated; ask for 0.001 s or more")
    if (last - first) // stride >= MOST_MOMENTS:
        raise StoreError(
            f"{(last - first) // stride + 1} moments are more than the {MOST_MOMENTS} one question "
            "may ask for; widen the step or shorten the range"
        )
    return np.arange(first, last + 1, stride, dtype=np.int64)
