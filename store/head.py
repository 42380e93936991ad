"""The newest samples, in memory, until they become column chunks."""

from array import array
from collections.abc import Sequence

import numpy as np

from store.columns import Millis
from vocabulary.samples import Array


class Head:
    """Growing columns, one pair a series, in order of arrival."""

    def __init__(self) -> None:
        self._times: dict[int, array[int]] = {}
        self._values: dict[int, array[float]] = {}
        self.samples = 0

    def append(self, numbers: Sequence[int], times: Sequence[int], values: Sequence[float]) -> None:
        """Take samples in the order they arrived."""
        columns, worths = self._times, self._values
        for number, at, value in zip(numbers, times, values, strict=True):
            column = columns.get(number)
            if column is None:
                column = columns[number] = array("q")
                worths[number] = array("d")
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
