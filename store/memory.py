"""What the embedded store holds in memory: names, newest samples, and what waits for the disk."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from store.archive import Numbered
from store.arrivals import Arrivals
from store.codec import Batch
from store.columns import UNKNOWN_BIRTH, Cut, Millis
from store.head import Head
from store.index import SeriesIndex
from store.reading import News
from vocabulary.samples import Array, Sample, Series

SEAL_SPAN = 3_600_000
"""Milliseconds of samples held before they become chunks: 240 a series at 15 s (our judgement)."""
SEAL_SAMPLES = 1_000_000
"""Samples held before they become chunks: 16 MB (our judgement)."""
_MOST_HEADS = 4
"""How many times SEAL_SAMPLES may be held while the disk takes nothing."""
_MOST_PENDING = 2_000_000
"""Samples that wait for the disk; older ones stay in memory, and are logged no more."""
_FARTHEST = 1e11
"""Seconds from 1970 beyond which a time is nonsense: the year 5138."""
_AHEAD = 600.0
"""Seconds a sample may be ahead of the clock (Prometheus' remote write allows the same ten
minutes). A farther one would make everything else look old."""


class Memory:
    """Not safe to share between threads by itself: its owner holds one lock for it."""

    def __init__(self, max_series: int, now: Callable[[], float] | None = None) -> None:
        self._now = now
        self.index = SeriesIndex(max_series)
        self.arrivals = Arrivals()
        self.dropped: Counter[str] = Counter()
        self.newest: int | None = None
        self._heads = [Head()]
        self._begun: int | None = None
        self._fresh: list[Numbered] = []
        self._pending: list[Batch] = []

    # -- taking ---------------------------------------------------------------------------------

    def take(self, samples: Iterable[Sample]) -> int:
        """Hold *samples* and queue them for the disk. Gives how many; the rest is in `dropped`."""
        numbers: list[int] = []
        moments: list[float] = []
        values: list[float] = []
        known = self.index.numbers
        latest = _FARTHEST if self._now is None else self._now() + _AHEAD
        for series, value, at in samples:
            if not -_FARTHEST < at < latest:
                self.dropped["time"] += 1
                continue
            number = known.get(series)
            if number is None:
                number = self.number(series, round(at * 1000))
                if number is None:
                    self.dropped["series"] += 1
                    continue
            numbers.append(number)
            moments.append(at)
            values.append(value)
        if numbers:
            times = np.rint(np.array(moments, dtype=np.float64) * 1000).astype(np.int64)
            batch = Batch(np.array(numbers), times, np.array(values, dtype=np.float64))
            self._pending.append(batch)
            self._hold(batch)
        return len(numbers)

    def number(self, series: Series, at: int | None = None) -> int | None:
        """The number of *series*, given now if need be; None at the limit.

        Without *at*, the milliseconds of its first sample, nobody saw it begin.
        """
        number = self.index.numbers.get(series)
        if number is None:
            number = self.index.admit(series, at)
            if number is not None:
                birth = self.index.births.get(number, UNKNOWN_BIRTH)
                self._fresh.append(Numbered(number, series, birth))
        return number

    def restore(self, news: News) -> None:
        """Hold what a file says was committed."""
        self.index.reserve(news.numbered)
        for number, series, birth in news.series:
            self.index.restore(number, series, birth)
        for _, batch in news.batches:
            self._hold(self._named(batch))

    def _named(self, batch: Batch) -> Batch:
        """*batch* without samples of series whose names are damaged."""
        known = np.fromiter((number in self.index.series for number in batch.ids.tolist()), bool)
        return batch if known.all() else Batch(*(column[known] for column in batch))

    def _hold(self, batch: Batch) -> None:
        if not len(batch.ids):
            return
        numbers, times = batch.ids.tolist(), batch.times.tolist()
        self._heads[-1].append(numbers, times, batch.values.tolist())
        newest = max(times)
        self.arrivals.note(self.index.seen(numbers, newest), min(times))
        self.reached(newest)

    def reached(self, moment: int) -> None:
        """There are samples up to *moment*."""
        if self._begun is None:
            self._begun = moment
        self.newest = moment if self.newest is None else max(self.newest, moment)

    # -- on the way to the disk -----------------------------------------------------------------

    def drain(self) -> tuple[list[Numbered], list[Batch]]:
        """What the disk has not got yet; from now on it is the caller's."""
        pending, self._pending = self._pending, []
        return self.names(), pending

    def names(self) -> list[Numbered]:
        """The series the disk does not know yet; from now on they are the caller's."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def put_back(self, fresh: list[Numbered], pending: list[Batch]) -> None:
        """The disk did not take it: keep it for the next time, within a bound."""
        self._fresh = fresh + self._fresh
        self._pending = pending + self._pending
        waiting = sum(len(batch.ids) for batch in self._pending)
        while waiting > _MOST_PENDING:
            lost = len(self._pending.pop(0).ids)
            self.dropped["disk"] += lost
            waiting -= lost

    @property
    def due(self) -> bool:
        """Whether it is time to turn what is held into chunks."""
        if self.newest is None or self._begun is None:
            return False
        # The newest moment must have moved on: one late sample makes no head old.
        aged = self.newest - self._begun >= SEAL_SPAN
        return aged or self._heads[-1].samples >= SEAL_SAMPLES

    def rotate(self) -> None:
        """Begin a new head; held ones stay until they are released, within a bound."""
        self._heads.append(Head())
        self._begun = self.newest
        held = sum(head.samples for head in self._heads)
        while held > _MOST_HEADS * SEAL_SAMPLES and len(self._heads) > 2:
            lost = self._heads.pop(0).samples
            self.dropped["memory"] += lost
            self.arrivals.unsure()
            held -= lost

    def rotated(self) -> Iterator[tuple[int, list[tuple[Millis, Array]]]]:
        """Each series of all heads but the newest, with its parts in order of arrival."""
        heads = self._heads[:-1]
        for number in sorted({number for head in heads for number in head.numbers()}):
            yield number, [part for head in heads if (part := head.of(number)) is not None]

    def release(self) -> None:
        """All heads but the newest are chunks now."""
        del self._heads[:-1]

    def clear(self) -> None:
        """Hold no samples: what was held is chunks now."""
        self._heads = [Head()]

    # -- being asked ----------------------------------------------------------------------------

    def parts(self, numbers: Sequence[int]) -> list[Sequence[tuple[Millis, Array]]]:
        """What is held of each of these series, in order of arrival."""
        return [
            [part for head in self._heads if (part := head.of(number)) is not None]
            for number in numbers
        ]

    def cut(self, numbers: Sequence[int], after: int, until: int) -> Cut | None:
        """What is held of these series in (after, until]; None while it is held in parts."""
        return self._heads[0].cut(numbers, after, until) if len(self._heads) == 1 else None

    def living(self) -> set[int]:
        """Series that have samples here."""
        return {number for head in self._heads for number in head.numbers()}
