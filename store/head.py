"""The newest samples, in memory, until they become column chunks."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from store.columns import Cut, Millis, merged
from vocabulary.samples import Array


class Head:
    """Growing columns, one pair a series, in order of arrival until somebody asks for a cut."""

    def __init__(self) -> None:
        self._times: dict[int, array[int]] = {}
        self._values: dict[int, array[float]] = {}
        self._late: set[int] = set()
        """Series with samples that are not in the order of their time."""
        self.samples = 0

    def append(self, numbers: Sequence[int], times: Sequence[int], values: Sequence[float]) -> None:
        """Take samples in the order they arrived."""
        columns, worths = self._times, self._values
        for number, at, value in zip(numbers, times, values, strict=True):
            column = columns.get(number)
            if column is None:
                column = columns[number] = array("q")
                worths[number] = array("d")
            elif at <= column[-1]:
                self._late.add(number)
            column.append(at)
            worths[number].append(value)
        self.samples += len(numbers)

    def numbers(self) -> list[int]:
        """The series that have samples here."""
        return list(self._times)

    def of(self, number: int) -> tuple[Millis, Array] | None:
        """A copy of one series' samples in order of arrival; None when it has none here."""
        column = self._times.get(number)
        if column is None:
            return None
        return np.array(column, dtype=np.int64), np.array(self._values[number], dtype=np.float64)

    def cut(self, numbers: Sequence[int], after: int, until: int) -> Cut:
        """What is held of these series in (after, until] milliseconds, in the order of time."""
        places: list[int] = []
        offsets = [0]
        times, values = array("q"), array("d")
        for place, number in enumerate(numbers):
            column = self._times.get(number)
            if column is None:
                continue
            if number in self._late:
                column = self._in_order(number)
            if column[-1] <= after:
                continue
            begin = bisect_right(column, after)
            end = len(column) if column[-1] <= until else bisect_right(column, until)
            if begin < end:
                times += column[begin:end]
                values += self._values[number][begin:end]
                places.append(place)
                offsets.append(len(times))
        return Cut(
            places,
            np.array(offsets, dtype=np.int64),
            np.frombuffer(times, dtype=np.int64),
            np.frombuffer(values, dtype=np.float64),
        )

    def _in_order(self, number: int) -> "array[int]":
        """Put late samples in their places."""
        column, worths = self._times[number], self._values[number]
        times, values = merged([(np.array(column), np.array(worths))])
        self.samples -= len(column) - len(times)
        column = self._times[number] = array("q", times.tobytes())
        self._values[number] = array("d", values.tobytes())
        self._late.discard(number)
        return column
