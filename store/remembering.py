"""Answers of a store, remembered while they stay true, so that a tick costs its newest moment only.

Detectors ask for the last hours of the same signals at every tick. All but the newest column were
evaluated at the tick before; only where samples came late, or went, are older ones made anew. What
will be asked is known from what was asked, and all that is due at a moment is evaluated together.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from store.arrivals import Arrivals
from store.asking import Asking
from store.columns import grid
from store.leaves import leaves
from store.table import Table
from vocabulary.errors import StoreError
from vocabulary.expressions import Signal
from vocabulary.samples import Frame

MOST_CELLS = 16_000_000
"""Values that are remembered: 128 MB (our judgement). What does not fit is evaluated anew."""
_TIDY_SECONDS = 300
_Key = tuple[Signal, int, int]
"""A signal, the stride and the phase of a grid in milliseconds."""


class Telling(Asking, Protocol):
    """A store that says how far back its samples have changed."""

    @property
    def arrivals(self) -> Arrivals:
        """What came and went."""
        ...

    def evaluate_together(
        self, signals: Sequence[Signal], start: float, end: float, step: float
    ) -> list[Frame]:
        """As `evaluate`, of each of *signals*."""
        ...


@dataclass(slots=True, eq=False)
class _Kept:
    """One signal on one grid."""

    signal: Signal
    table: Table
    names: tuple[str, ...]
    """What its samples are called."""
    seen: int
    """Arrivals there had been when it was evaluated."""
    asked: int
    """The newest moment that was asked for."""
    span: int
    """The longest that anybody looked back, in milliseconds."""
    gap: int = 0
    """Milliseconds from the question before to the last one; 0 where there was none."""

    @property
    def due(self) -> int:
        """The newest moment of the next question, if it comes as the last one did."""
        return self.asked + self.gap

    @property
    def begin(self) -> int:
        """The first moment that is not known yet."""
        return self.table.last + self.table.stride


class Remembering:
    """Answers as *store* would; for one thread, the one that asks again and again."""

    def __init__(self, store: Telling, most_cells: int = MOST_CELLS) -> None:
        self._store = store
        self._most_cells = most_cells
        self._kept: dict[_Key, _Kept] = {}
        self._now = 0
        """The newest moment that anybody asked for."""
        self._tidied = 0
        self._room = most_cells

    def newest(self) -> float | None:
        """Time of the newest sample behind."""
        return self._store.newest()

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """As `store.asking.Asking.evaluate`.

        Raises:
            StoreUnreachable, StoreError: As the store behind.
        """
        moments = grid(start, end, step)
        if not len(moments):
            return self._store.evaluate(signal, start, end, step)
        first, last, stride = int(moments[0]), int(moments[-1]), round(step * 1000)
        if last > self._now:
            self._move_to(last)
        key = (signal, stride, first % stride)
        kept = self._kept.get(key)
        if kept is None or first > kept.begin or last < kept.table.first:
            return self._anew(key, first, last)
        try:
            self._extend([kept], lambda _: last)
            if first < kept.table.first:
                self._extend_back(kept, first)
        except StoreError:
            del self._kept[key]
            raise
        if last > kept.asked:
            kept.gap, kept.asked = last - kept.asked, last
        kept.span = max(kept.span, last - first)
        return kept.table.cut(first, last)

    def _anew(self, key: _Key, first: int, last: int) -> Frame:
        signal, stride, _ = key
        self._kept.pop(key, None)
        seen = self._store.arrivals.count
        frame = self._store.evaluate(signal, first / 1000.0, last / 1000.0, stride / 1000.0)
        if frame.values.size <= self._room:
            self._room -= frame.values.size
            names = tuple({leaf.selector[0] for leaf in leaves(signal.expr)})
            self._kept[key] = _Kept(signal, Table(frame, stride), names, seen, last, last - first)
        return frame

    def _move_to(self, now: int) -> None:
        """All that is due by *now* is evaluated together."""
        self._now = now
        if now - self._tidied >= _TIDY_SECONDS * 1000:
            self._tidy(now)
        due = [one for one in self._kept.values() if one.gap and one.begin <= one.due <= now]
        with suppress(StoreError):  # whoever asks for what failed is told so
            self._extend(due, lambda one: one.due)

    def _extend(self, those: Iterable[_Kept], until: Callable[[_Kept], int]) -> None:
        """Bring tables up to the moments wanted of them, without what is true no more."""
        arrivals = self._store.arrivals
        count = arrivals.count
        questions: dict[tuple[int, int, int], list[_Kept]] = {}
        for one in those:
            oldest = arrivals.since(one.seen, one.names)
            if oldest is not None:
                one.table.forget_from(oldest)
            begin, end, stride = one.begin, until(one), one.table.stride
            if begin > end:
                one.seen = count
            else:
                alike = (begin, end, stride if begin < end else 0)
                questions.setdefault(alike, []).append(one)
        for (begin, end, stride), asking in questions.items():
            signals = list(dict.fromkeys(one.signal for one in asking))
            step = (stride or 1000) / 1000.0
            frames = self._store.evaluate_together(signals, begin / 1000.0, end / 1000.0, step)
            found = dict(zip(signals, frames, strict=True))
            for one in asking:
                one.table.forget_before(end - one.span)
                one.table.add(found[one.signal])
                one.seen = count

    def _extend_back(self, kept: _Kept, first: int) -> None:
        stride = kept.table.stride
        until = kept.table.first - stride
        seen = self._store.arrivals.count
        frame = self._store.evaluate(kept.signal, first / 1000.0, until / 1000.0, stride / 1000.0)
        kept.table.add_before(frame)
        kept.seen = min(kept.seen, seen)

    def _tidy(self, now: int) -> None:
        """Let go of what nobody asked for so long that none of it would be of use."""
        self._tidied = now
        idle = [key for key, one in self._kept.items() if one.asked + one.span < now - one.gap]
        for key in idle:
            del self._kept[key]
        self._room = self._most_cells - sum(one.table.cells for one in self._kept.values())
