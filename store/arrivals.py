"""How far back in time samples have come since somebody last looked, by the name they bear.

What was made of samples up to a moment stays true until a sample of that moment or an older one
comes, or one goes. Of long ago only so much is remembered that an answer is never too late, though
it may be earlier than need be.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator

_GRAIN = 1000
"""Milliseconds within which moments are one: a minute of arrivals is 60 entries at most."""
_MOST = 256
"""Entries of one name; when there are more, of the older half every two become one (our
judgement: with one batch a tick the last half hour is exact, with many some minutes are)."""
EVER = -(2**62)
"""Earlier than any sample."""


class Arrivals:
    """Counts what comes; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0
        """Rises with whatever comes: remember it, and ask `since` it later."""
        self._unsure = 0
        self._counts: dict[str, list[int]] = {}
        self._oldest: dict[str, list[int]] = {}
        """By name, beside `_counts`: both rise, so an entry is the oldest since the one before."""

    def note(self, names: Iterable[str], oldest: int) -> None:
        """Samples of these *names* came; no one is of a moment before *oldest* (milliseconds)."""
        oldest = (oldest - 1) // _GRAIN * _GRAIN + 1  # a whole second belongs to what it ends
        with self._lock:
            self.count += 1
            for name in names:
                self._note(name, oldest)

    def _note(self, name: str, oldest: int) -> None:
        counts, moments = self._counts.setdefault(name, []), self._oldest.setdefault(name, [])
        while moments and moments[-1] >= oldest:
            moments.pop()
            counts.pop()
        counts.append(self.count)
        moments.append(oldest)
        if len(counts) > _MOST:
            # Of each two old ones the later count and the older moment stay.
            del counts[: _MOST // 2 : 2], moments[1 : _MOST // 2 + 1 : 2]

    def unsure(self) -> None:
        """Anything may have come or gone."""
        with self._lock:
            self.count += 1
            self._unsure = self.count
            self._counts.clear()
            self._oldest.clear()

    def since(self, count: int, names: Iterable[str]) -> int | None:
        """A moment that everything of these *names* since *count* is not older than; None when
        nothing came.
        """  # noqa: D205 - one sentence does not hold it
        with self._lock:
            if count < self._unsure:
                return EVER
            return min(self._each_since(count, names), default=None)

    def _each_since(self, count: int, names: Iterable[str]) -> Iterator[int]:
        for name in names:
            counts = self._counts.get(name, ())
            place = bisect_right(counts, count)
            if place < len(counts):
                yield self._oldest[name][place]
