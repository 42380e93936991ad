"""Signals of a long past, each moment evaluated once, whoever asks for it however often.

Live, every tick asks for the last hours anew. In a replay the hours ahead are known as well: they
are evaluated together, and each question is answered with the columns it asks for. A column holds
what the store makes of samples up to its moment, so that nothing of the future shows.
"""

from dataclasses import dataclass, field

import numpy as np

from store.asking import Asking
from store.columns import Millis, grid
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame, Labels, empty_frame

AHEAD_SECONDS = 4 * 3600.0
"""How far ahead is evaluated: the span of one chunk of the embedded store at 15 s."""


@dataclass(slots=True)
class _Table:
    """Columns of one signal on one grid: labels sorted, moments in milliseconds."""

    signal: Signal
    stride: int
    moments: Millis
    labels: tuple[Labels, ...]
    values: Array
    longest: int = 0
    """The longest look back that anybody asked for: older columns are let go."""
    asked: int = 0
    """The newest moment that anybody asked for."""

    def add(self, frame: Frame, *, before: bool) -> None:
        """Put the columns of *frame* at one end."""
        moments = np.rint(frame.times * 1000).astype(np.int64)
        labels = self.labels
        if frame.labels != labels:
            labels = tuple(sorted({*self.labels, *frame.labels}))
        mine = _spread(self.values, self.labels, labels)
        theirs = _spread(frame.values, frame.labels, labels)
        ends = (theirs, mine) if before else (mine, theirs)
        self.moments = np.concatenate(
            (moments, self.moments) if before else (self.moments, moments)
        )
        self.values = np.concatenate(ends, axis=1)
        self.labels = labels

    def forget(self, before: int) -> None:
        """Let go of columns before a moment, and of rows that then hold nothing."""
        gone = int(np.searchsorted(self.moments, before))
        if gone <= 0:
            return
        self.moments, self.values = self.moments[gone:], self.values[:, gone:]
        held = ~np.isnan(self.values).all(axis=1)
        if not held.all():
            rows = np.flatnonzero(held)
            self.labels, self.values = tuple(self.labels[row] for row in rows), self.values[rows]

    def cut(self, first: int, last: int) -> Frame:
        """The columns from *first* to *last*, without rows that hold nothing there."""
        start = (first - int(self.moments[0])) // self.stride
        stop = (last - int(self.moments[0])) // self.stride + 1
        values = self.values[:, start:stop]
        times = self.moments[start:stop] / 1000.0
        held = ~np.isnan(values).all(axis=1)
        if held.all():
            return Frame(self.labels, times, values)
        rows = np.flatnonzero(held)
        return Frame(tuple(self.labels[row] for row in rows), times, values[rows])


@dataclass(slots=True)
class ReadingAhead:
    """Answers as *store* would, asking it seldom; moments after *until* are never asked for."""

    store: Asking
    until: float
    ahead: float = AHEAD_SECONDS
    lost: StoreUnreachable | None = None
    """Set when the backend went away: what follows would be blind, and no replay."""
    heard: set[str] = field(default_factory=set)
    """Signals that ever had a value when they were asked for."""
    _tables: dict[tuple[str, int, int], _Table] = field(default_factory=dict)

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """As `store.asking.Asking.evaluate`.

        Raises:
            StoreUnreachable, StoreError: As the store behind.
        """
        moments = grid(start, end, step)
        if not len(moments):
            return empty_frame(moments / 1000.0)
        try:
            frame = self._answer(signal, moments, round(step * 1000))
        except StoreUnreachable as error:
            self.lost = error
            raise
        if frame.labels:
            self.heard.add(signal.name)
        return frame

    def newest(self) -> float | None:
        """Time of the newest sample behind."""
        return self.store.newest()

    def _answer(self, signal: Signal, moments: Millis, stride: int) -> Frame:
        first, last = int(moments[0]), int(moments[-1])
        key = (signal.name, stride, first % stride)
        table = self._tables.get(key)
        if table is None or (table.signal is not signal and table.signal != signal):
            table = self._read(signal, first, self._horizon(last, stride), stride)
            self._tables[key] = table
        elif first > table.asked + stride and last > table.moments[-1]:
            # Asked so seldom that most columns between would be evaluated for nobody.
            return self.store.evaluate(signal, first / 1000.0, last / 1000.0, stride / 1000.0)
        if first < table.moments[0]:
            until = int(table.moments[0]) - stride
            table.add(self._ask(signal, first, until, stride), before=True)
        table.longest, table.asked = max(table.longest, last - first), last
        if last > table.moments[-1]:
            begin = int(table.moments[-1]) + stride
            table.forget(last - table.longest)
            table.add(self._ask(signal, begin, self._horizon(last, stride), stride), before=False)
        return table.cut(first, last)

    def _read(self, signal: Signal, first: int, horizon: int, stride: int) -> _Table:
        frame = self._ask(signal, first, horizon, stride)
        moments = np.rint(frame.times * 1000).astype(np.int64)
        return _Table(signal, stride, moments, frame.labels, frame.values)

    def _horizon(self, last: int, stride: int) -> int:
        """The last moment of the grid that is worth asking for at once with *last*."""
        wanted = min(last + round(self.ahead * 1000), round(self.until * 1000))
        return last + max(0, wanted - last) // stride * stride

    def _ask(self, signal: Signal, first: int, last: int, stride: int) -> Frame:
        """In halves where the store finds the whole too large."""
        try:
            return self.store.evaluate(signal, first / 1000.0, last / 1000.0, stride / 1000.0)
        except StoreUnreachable:
            raise
        except StoreError:
            if last - first < 2 * stride:
                raise
        middle = first + (last - first) // (2 * stride) * stride
        earlier = self._read(signal, first, middle, stride)
        earlier.add(self._ask(signal, middle + stride, last, stride), before=False)
        return Frame(earlier.labels, earlier.moments / 1000.0, earlier.values)


def _spread(values: Array, labels: tuple[Labels, ...], wanted: tuple[Labels, ...]) -> Array:
    """The rows of *values* where *wanted* has their labels; NaN in the others."""
    if labels == wanted:
        return values
    place = {one: row for row, one in enumerate(wanted)}
    spread = np.full((len(wanted), values.shape[1]), np.nan)
    spread[[place[one] for one in labels]] = values
    return spread
