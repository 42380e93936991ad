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
        self.oldest: int | None = None
        self.newest: int | None = None

    def append(self, numbers: Sequence[int], times: Sequence[int], values: Sequence[float]) -> None:
        """Take samples in the order they arrived."""
        if not numbers:
            return
        columns, worths = self._times, self._values
        for number, at, value in zip(numbers, times, values, strict=True):
            column = columns.get(number)
            if column is None:
                column = columns[number] = array("q")
                worths[number] = array("d")
            column.append(at)
            worths[number].append(value)
        self.samples += len(numbers)
        low, high = min(times), max(times)
        self.oldest = low if self.oldest is None else min(self.oldest, low)
        self.newest = high if self.newest is None else max(self.newest, high)

    @property
    def span(self) -> int:
        """Milliseconds from the oldest to the newest sample."""
        if self.oldest is None or self.newest is None:
            return 0
        return self.newest - self.oldest

    def numbers(self) -> list[int]:
        """The series that have samples here."""
        return list(self._times)

    def of(self, number: int) -> tuple[Millis, Array] | None:
        """A copy of one series' samples in order of arrival; None when it has none here."""
        column = self._times.get(number)
        if column is None:
            return None
        return np.array(column, dtype=np.int64), np.array(self._values[number], dtype=np.float64)
