"""Columns of one signal on one grid of moments, kept from question to question.

A column holds what a store makes of samples up to its moment, so it stays as it is while time goes
on, and new ones are put beside it. What was shown is never written again: answers are views.
"""

import numpy as np

from store.arrivals import EVER
from store.columns import Millis
from store.rows import Rows
from vocabulary.samples import Array, Frame, Labels

_ROOM = 16
"""Columns there is room for at least when a table grows."""


class Table:
    """Rows sorted by labels, columns *stride* milliseconds apart."""

    def __init__(self, frame: Frame, stride: int) -> None:
        self.stride = stride
        self.first = int(np.rint(frame.times[0] * 1000))
        """The moment of the oldest column."""
        self.rows = Rows(frame.labels)
        self._cells = frame.values
        self._begin, self._end = 0, len(frame.times)
        self._known = _newest_known(frame.values, self.first, stride)
        """For each row the moment of its newest value."""
        self._placed: tuple[tuple[Labels, ...], Millis] | None = None
        """Where the rows of the last frame went that had not all of them."""

    @property
    def last(self) -> int:
        """The moment of the newest column; one stride before *first* when there is none."""
        return self.first + (self._end - self._begin - 1) * self.stride

    @property
    def cells(self) -> int:
        """Values there is room for."""
        return self._cells.size

    def add(self, frame: Frame) -> None:
        """Put the columns of *frame* behind the newest."""
        begin = self.last + self.stride
        values = self._fitting(frame)
        if self._end + values.shape[1] > self._cells.shape[1]:
            self._grow(values.shape[1])
        end = self._end + values.shape[1]
        self._cells[:, self._end : end] = values
        self._end = end
        if values.shape[1] == 1:
            self._known[~np.isnan(values[:, 0])] = begin
        else:
            self._known = np.maximum(self._known, _newest_known(values, begin, self.stride))

    def add_before(self, frame: Frame) -> None:
        """Put the columns of *frame* before the oldest."""
        values = self._fitting(frame)
        known = _newest_known(values, int(np.rint(frame.times[0] * 1000)), self.stride)
        self._known = np.maximum(self._known, known)
        mine = self._cells[:, self._begin : self._end]
        self._cells = np.concatenate((values, mine), axis=1)
        self._begin, self._end = 0, self._cells.shape[1]
        self.first -= values.shape[1] * self.stride

    def forget_before(self, moment: int) -> None:
        """Let go of columns before a moment, and of rows that then hold nothing."""
        gone = min(-((self.first - moment) // self.stride), self._end - self._begin)
        if gone <= 0:
            return
        self._begin += gone
        self.first += gone * self.stride
        held = self._known >= self.first
        if not held.all():
            self.rows = self.rows.some(np.flatnonzero(held).tolist())
            self._cells, self._known = self._cells[held], self._known[held]
            self._placed = None

    def forget_from(self, moment: int) -> None:
        """Let go of the columns from a moment on."""
        left = max(0, -((self.first - moment) // self.stride))
        if left >= self._end - self._begin:
            return
        self._end = self._begin + left
        self._cells = self._cells[:, : self._end]  # others see what stood there: write elsewhere
        self._known = _newest_known(self._cells[:, self._begin :], self.first, self.stride)

    def cut(self, first: int, last: int) -> Frame:
        """The columns from *first* to *last*, without rows that hold nothing there."""
        start = self._begin + (first - self.first) // self.stride
        count = (last - first) // self.stride + 1
        values = self._cells[:, start : start + count]
        times = np.arange(first, last + 1, self.stride) / 1000.0
        newest = start + count == self._end
        held = self._known >= first if newest else ~np.isnan(values).all(axis=1)
        if held.all():
            return Frame(self.rows.labels, times, values)
        places = np.flatnonzero(held)
        return Frame(self.rows.some(places.tolist()).labels, times, values[places])

    def _grow(self, more: int) -> None:
        mine = self._cells[:, self._begin : self._end]
        room = more + max(_ROOM, mine.shape[1] // 4)
        self._cells = np.empty((len(mine), mine.shape[1] + room))
        self._cells[:, : mine.shape[1]] = mine
        self._begin, self._end = 0, mine.shape[1]

    def _fitting(self, frame: Frame) -> Array:
        """The values of *frame* in my rows, which become more when need be."""
        if frame.labels is self.rows.labels or frame.labels == self.rows.labels:
            return frame.values
        if self._placed is None or self._placed[0] is not frame.labels:
            self._make_room(frame.labels)
            place = {one: row for row, one in enumerate(self.rows.labels)}
            places = np.array([place[one] for one in frame.labels], np.int64)
            self._placed = frame.labels, places
        values = np.full((len(self.rows), frame.values.shape[1]), np.nan)
        values[self._placed[1]] = frame.values
        return values

    def _make_room(self, labels: tuple[Labels, ...]) -> None:
        """Rows for *labels* where there are none yet."""
        wanted = sorted({*self.rows.labels, *labels})
        if len(wanted) == len(self.rows):
            return
        place = {one: row for row, one in enumerate(wanted)}
        mine = [place[one] for one in self.rows.labels]
        cells = np.full((len(wanted), self._cells.shape[1]), np.nan)
        known = np.full(len(wanted), EVER)
        cells[mine], known[mine] = self._cells, self._known
        self.rows, self._cells, self._known = Rows(wanted), cells, known


def _newest_known(values: Array, first: int, stride: int) -> Millis:
    """For each row the moment of its newest value, or EVER; *first* is that of the first column."""
    columns = np.arange(1, values.shape[1] + 1, dtype=np.int64)
    newest: Millis = np.max(~np.isnan(values) * columns, axis=1, initial=0)
    return np.where(newest > 0, first + stride * (newest - 1), EVER)
