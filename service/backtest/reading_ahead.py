"""Signals of a long past, each moment evaluated once, whoever asks for it however often.

Live, every tick asks for the last hours anew. In a replay the hours ahead are known as well: they
are evaluated together, and each question is answered with the columns it asks for. A column holds
what the store makes of samples up to its moment, so that nothing of the future shows.
"""

from dataclasses import dataclass, field

from store.asking import Asking
from store.columns import Millis, grid
from store.table import Table
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.samples import Frame, empty_frame

AHEAD_SECONDS = 4 * 3600.0
"""How far ahead is evaluated: the span of one chunk of the embedded store at 15 s."""


@dataclass(slots=True)
class _Kept:
    """One signal on one grid."""

    signal: Signal
    table: Table
    longest: int = 0
    """The longest look back that anybody asked for: older columns are let go."""
    asked: int = 0
    """The newest moment that anybody asked for."""


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
    _kept: dict[tuple[str, int, int], _Kept] = field(default_factory=dict)

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
        kept = self._kept.get(key)
        if kept is None or (kept.signal is not signal and kept.signal != signal):
            frame = self._ask(signal, first, self._horizon(last, stride), stride)
            kept = self._kept[key] = _Kept(signal, Table(frame, stride))
        elif first > kept.asked + stride and last > kept.table.last:
            # Asked so seldom that most columns between would be evaluated for nobody.
            return self.store.evaluate(signal, first / 1000.0, last / 1000.0, stride / 1000.0)
        table = kept.table
        if first < table.first:
            table.add_before(self._ask(signal, first, table.first - stride, stride))
        kept.longest, kept.asked = max(kept.longest, last - first), last
        if last > table.last:
            begin = table.last + stride
            table.forget_before(last - kept.longest)
            table.add(self._ask(signal, begin, self._horizon(last, stride), stride))
        return table.cut(first, last)

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
        earlier = Table(self._ask(signal, first, middle, stride), stride)
        earlier.add(self._ask(signal, middle + stride, last, stride))
        return earlier.cut(first, last)
