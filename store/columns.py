"""Samples of many series side by side: ragged columns, and the grid a question is asked on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vocabulary.errors import StoreError
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


def joined(several: Sequence[Columns]) -> Columns:
    """The series of all, one after the other."""
    if len(several) == 1:
        return several[0]
    lengths = [np.diff(one.offsets) for one in several]
    return Columns(
        tuple(labels for one in several for labels in one.labels),
        np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64))),
        np.concatenate([one.times for one in several]),
        np.concatenate([one.values for one in several]),
        np.concatenate([one.births for one in several]),
    )


class Cut(NamedTuple):
    """What several series have in a span of time, one after the other."""

    places: list[int]
    """Which of them have anything there; the others take up no room."""
    offsets: Millis
    """Shape (places + 1,), as those of `Columns`."""
    times: Millis
    values: Array

    def parts(self, count: int) -> list[Sequence[tuple[Millis, Array]]]:
        """The part that each of *count* series has, if any."""
        found: list[Sequence[tuple[Millis, Array]]] = [()] * count
        ends = self.offsets.tolist()
        for place, begin, end in zip(self.places, ends, ends[1:], strict=False):
            found[place] = ((self.times[begin:end], self.values[begin:end]),)
        return found


def gathered(series: Sequence[Sequence[tuple[Millis, Array]]], after: int, until: int) -> Cut:
    """What is held in (after, until] milliseconds of *series*, each in parts, the later ones more
    recent. Samples that came in the order of their time, as nearly all do, are cut all at once.
    """  # noqa: D205 - one sentence does not hold it
    parts = [part for one in series for part in one]
    if not parts:
        return Cut([], np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0))
    times = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    inside = (times > after) & (times <= until)
    lengths = [sum(len(part[0]) for part in one) for one in series]
    before = np.concatenate(([0], np.cumsum(inside, dtype=np.int64)))
    offsets = before[np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))]
    times, values = times[inside], values[inside]
    if not _ascending(times, offsets):
        return gathered([[merged(one)] if one else () for one in series], after, until)
    filled = np.flatnonzero(np.diff(offsets))
    return Cut(filled.tolist(), np.concatenate((offsets[:1], offsets[1:][filled])), times, values)


def _ascending(times: Millis, offsets: Millis) -> bool:
    """Whether the times of every series rise."""
    rising = times[1:] > times[:-1]
    between = offsets[(offsets > 0) & (offsets < len(times))]
    rising[between - 1] = True  # from one series to the next they may do what they like
    return bool(rising.all())


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
