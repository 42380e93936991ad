"""The embedded store: series without a server, in one folder, written by one process.

A batch is durable when `append` returns. The newest samples are also in memory; every hour of
them becomes column chunks, and the log of batches behind them is cut. Others may read the folder
meanwhile (`read_only=True`). Nothing here stops the caller: a full disk degrades the store to
memory and says so in `degraded`, and what is found damaged or missing is said in `alarms`.
"""

import contextlib
import logging
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from store.acknowledged import Acknowledged
from store.archive import Writing
from store.arrivals import EVER, Arrivals
from store.columns import Columns, Cut, Millis, gathered, grid, merged
from store.evaluation import evaluate_together
from store.index import Chosen
from store.memory import Memory
from store.reading import Reading
from store.selection import Selection, Selector
from vocabulary.errors import StoreError
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame, Sample, Series

_log = logging.getLogger(__name__)

FILE = "samples.sqlite"
SIDE_FILE = "samples.acknowledged"

_MOST_CACHED = 4_000_000
"""Samples of unpacked chunks that are kept: 64 MB (our judgement)."""
_MOST_ALARMS = 100
_FOREVER = 2**62
"""Later than any sample, in milliseconds."""
_LOAD_TOGETHER = 200_000
"""Samples of history in one transaction (our judgement)."""


class EmbeddedStore:
    """Samples of one folder; implements `store.asking.Recording`, for any number of threads.

    *retention_seconds* counts back from the newest sample; *max_bytes* bounds the database file;
    the oldest go first, by whole chunks. *max_series* bounds the names one process remembers.
    Given *now* (Unix seconds), samples of more than ten minutes ahead of it are dropped.

    Raises:
        StoreError: The folder cannot be used, another process writes to it, or with *read_only*
            nothing was ever written there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        retention_seconds: float = 30 * 86_400.0,
        max_bytes: int = 4 * 2**30,
        max_series: int = 200_000,
        read_only: bool = False,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.degraded = ""
        """Why samples are kept in memory only; empty while all is well."""
        self._retention = round(retention_seconds * 1000)
        self._max_bytes = max_bytes
        self._alarms: dict[str, None] = {}
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._memory = Memory(max_series, now)
        self._numbered = self._sequence = self._sealed = self._version = -1
        self._chunking = 0
        """Rises whenever there are other chunks than before."""
        self._chunked = _FOREVER
        """No chunk reaches beyond this moment; who only reads is not told how far they reach."""
        with contextlib.ExitStack() as opened:
            self._writer = self._opened_to_write(folder, opened) if not read_only else None
            self._reading = Reading(folder / FILE, self._alarm, _MOST_CACHED)
            opened.callback(self._reading.close)
            self._catch_up()
            if self._writer is not None:
                self._chunked = self._reading.newest() or EVER
                self._check_tail(self._writer[1])
            self._opened = opened.pop_all()

    def _opened_to_write(
        self, folder: Path, opened: contextlib.ExitStack
    ) -> tuple[Writing, Acknowledged]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error}") from error
        side = Acknowledged(folder / SIDE_FILE)
        opened.callback(side.close)
        archive = Writing(folder / FILE)
        opened.callback(archive.close)
        return archive, side

    @property
    def alarms(self) -> tuple[str, ...]:
        """Everything found damaged or missing so far, one sentence each."""
        return tuple(self._alarms)

    @property
    def dropped(self) -> Mapping[str, int]:
        """Samples dropped, by the limit that dropped them.

        `series` and `time` (an impossible one) never came in; `retention` and `bytes` were the
        oldest on disk; `disk` and `memory` could not be written while the disk took nothing.
        """
        return dict(+self._memory.dropped)

    # -- taking samples -------------------------------------------------------------------------

    def append(self, samples: Iterable[Sample]) -> int:
        """Keep *samples*; durable when it returns, unless `degraded` says otherwise.

        Of two samples of one series at one moment, the one that came later stays. Gives how many
        were kept; `dropped` counts the rest.
        """
        archive, side = self._to_write()
        arrived = list(samples)  # whoever makes them may take its time, without our lock
        with self._lock:
            taken = self._memory.take(arrived)
        with self._writing:  # whoever comes first commits for all who wait
            self._commit(archive, side)
            self._seal_when_due(archive)
        return taken

    def append_columns(self, history: Iterable[tuple[Series, npt.ArrayLike, npt.ArrayLike]]) -> int:
        """Keep whole columns (series, times in seconds, values): the fast way to load history.

        Durable when it returns. A series loaded like this is never taken for newly born.

        Raises:
            StoreError: The disk refuses.
        """
        archive, _ = self._to_write()
        kept = waiting = 0
        columns: list[tuple[Series, Millis, Array]] = []
        for series, seconds, worth in history:
            moments = np.rint(np.asarray(seconds, dtype=np.float64) * 1000).astype(np.int64)
            times, values = merged([(moments, np.asarray(worth, dtype=np.float64))])
            if len(times):
                columns.append((series, times, values))
                waiting += len(times)
            if waiting >= _LOAD_TOGETHER:
                kept += self._load(archive, columns)
                columns, waiting = [], 0
        kept += self._load(archive, columns)
        with self._writing:
            self._retain(archive)
        return kept

    def _load(self, archive: Writing, columns: Sequence[tuple[Series, Millis, Array]]) -> int:
        numbered: list[tuple[int, Millis, Array]] = []
        with self._writing, self._lock:
            for series, times, values in columns:
                number = self._memory.number(series)
                if number is None:
                    self._memory.dropped["series"] += len(times)
                else:
                    numbered.append((number, times, values))
            fresh = self._memory.names()
            try:
                archive.load(fresh, numbered)
            except sqlite3.Error as error:
                self._memory.put_back(fresh, [])
                raise StoreError(f"history was not loaded: {error}") from error
            self._chunking += 1
            self._memory.arrivals.unsure()
            for _, times, _ in numbered:
                self._memory.reached(int(times[-1]))
                self._chunked = max(self._chunked, int(times[-1]))
        return sum(len(times) for _, times, _ in numbered)

    def _commit(self, archive: Writing, side: Acknowledged) -> None:
        with self._lock:
            fresh, pending = self._memory.drain()
        if not fresh and not pending:
            return
        try:
            archive.write(fresh, list(enumerate(pending, self._sequence + 1)))
        except sqlite3.Error as error:
            with self._lock:
                self._memory.put_back(fresh, pending)
            self._degrade(error)
            return
        self._sequence += len(pending)
        # Should this fail, an older number stays, and only the check at the next start is weaker.
        with contextlib.suppress(OSError):
            side.write(self._sequence)
        self._recover()

    # -- turning memory into chunks -------------------------------------------------------------

    def _seal_when_due(self, archive: Writing) -> None:
        with self._lock:
            if not self._memory.due:
                return
            self._memory.rotate()
            parts = [] if self.degraded else list(self._memory.rotated())
        if self.degraded:
            return
        try:
            archive.seal(self._sequence, ((number, *merged(part)) for number, part in parts))
        except sqlite3.Error as error:
            self._degrade(error)
            return
        with self._lock:
            self._chunking += 1
            ends = (int(times.max()) for _, part in parts for times, _ in part)
            self._chunked = max([self._chunked, *ends])
            self._memory.release()
        self._retain(archive)

    def _retain(self, archive: Writing) -> None:
        newest = self._memory.newest
        if newest is None:
            return
        dropped = self._memory.dropped
        try:
            aged = archive.drop_before(newest - self._retention)
            pressed = archive.drop_oldest(self._max_bytes)
            dropped["retention"] += aged
            dropped["bytes"] += pressed
            if aged or pressed:
                with self._lock:
                    self._chunking += 1
                    self._memory.arrivals.unsure()
                    self._memory.index.forget(archive.forget_empty(self._memory.living()))
        except sqlite3.Error as error:
            self._degrade(error)

    def _degrade(self, error: sqlite3.Error) -> None:
        if not self.degraded:
            _log.error("the disk refuses samples, they are kept in memory only: %s", error)
        self.degraded = f"the disk refuses samples ({error}); they are kept in memory only"

    def _recover(self) -> None:
        if self.degraded:
            _log.warning("the disk takes samples again")
        self.degraded = ""

    # -- being asked ----------------------------------------------------------------------------

    def evaluate(
        self,
        signal: Signal,
        start: float,
        end: float,
        step: float,
        *,
        first_values: bool = False,
    ) -> Frame:
        """*signal* at start, start + step, … up to and including end (Unix seconds).

        With *first_values*, a counter that was seen to begin inside a window counts from zero
        (`store.windows.increase`): what a new tenant used before its second sample. No other
        backend can do so.

        Raises:
            StoreError: The question is too large, labels are not unique, or the file is damaged.
        """
        return self.evaluate_together([signal], start, end, step, first_values=first_values)[0]

    def evaluate_together(
        self,
        signals: Sequence[Signal],
        start: float,
        end: float,
        step: float,
        *,
        first_values: bool = False,
    ) -> list[Frame]:
        """What `evaluate` makes of each of *signals*, for little more than the price of one.

        Raises:
            StoreError: As `evaluate`, of any of them.
        """
        self._catch_up_if_reader()
        moments = grid(start, end, step)
        exprs = [signal.expr for signal in signals]
        return evaluate_together(exprs, self._select, moments, first_values=first_values)

    @property
    def arrivals(self) -> Arrivals:
        """How far back in time samples have come, for whoever remembers answers."""
        return self._memory.arrivals

    def newest(self) -> float | None:
        """Time of the newest sample, or None when there is none."""
        self._catch_up_if_reader()
        newest = self._memory.newest
        return None if newest is None else newest / 1000.0

    def series(self, name: str) -> list[Series]:
        """The series of that *name*, as far as samples of them are kept."""
        self._catch_up_if_reader()
        with self._lock:
            index = self._memory.index
            return [index.series[number] for number in index.select(name, ())]

    def samples(self, name: str, start: float, end: float) -> Columns:
        """The samples of the series *name* in (start, end] (Unix seconds), as they were taken."""
        self._catch_up_if_reader()
        return self._select([(name, ())], round(start * 1000), round(end * 1000)).columns

    def _select(self, selectors: Sequence[Selector], after: int, until: int) -> Selection:
        with self._lock:
            chosen = [self._memory.index.choose(selector) for selector in selectors]
            numbers = [number for one in chosen for number in one.numbers]
            cut = self._memory.cut(numbers, after, until)
            if cut is not None and self._chunked <= after:
                return _selection(chosen, cut)
            newer = cut.parts(len(numbers)) if cut is not None else self._memory.parts(numbers)
            chunking = self._chunking
        # Chunks are read after memory: what moves in between is seen twice, never missed.
        older = self._reading.samples(numbers, after, until, chunking)
        parts = [
            [*older.get(number, ()), *held] for number, held in zip(numbers, newer, strict=True)
        ]
        return _selection(chosen, gathered(parts, after, until))

    def _catch_up_if_reader(self) -> None:
        if self._writer is None:
            self._catch_up()

    def _catch_up(self) -> None:
        with self._lock:
            version = self._reading.version()
            if version == self._version:
                return
            self._chunking += 1
            self._memory.arrivals.unsure()
            news = self._reading.news(self._numbered, self._sequence, self._sealed)
            if news.sealed != self._sealed:
                self._memory.clear()
                chunked = self._reading.newest()
                if chunked is not None:
                    self._memory.reached(chunked)
            self._memory.restore(news)
            self._version, self._sealed, self._numbered = version, news.sealed, news.numbered
            self._sequence = max((seq for seq, _ in news.batches), default=self._sequence)
            self._sequence = max(self._sequence, self._sealed)

    def _check_tail(self, side: Acknowledged) -> None:
        if side.last > self._sequence:
            self._alarm(
                f"samples were lost: batches {self._sequence + 1} to {side.last} were "
                "acknowledged and are missing; the log was cut or damaged"
            )
            self._sequence = side.last

    def _alarm(self, sentence: str) -> None:
        if sentence not in self._alarms and len(self._alarms) < _MOST_ALARMS:
            self._alarms[sentence] = None
            _log.error("%s", sentence)

    def _to_write(self) -> tuple[Writing, Acknowledged]:
        if self._writer is None:
            raise StoreError("this store is closed, or was opened to be read only")
        return self._writer

    def close(self) -> None:
        """Commit what waits, and give the folder back; of no use afterwards."""
        if self._writer is not None:
            with self._writing:
                self._commit(*self._writer)
            self._writer = None
        self._opened.close()


def _selection(chosen: Sequence[Chosen], cut: Cut) -> Selection:
    """*cut* holds what all series of all that were *chosen* have, in their order."""
    rows, births = [], []
    first = begin = 0
    for one in chosen:
        end = bisect_left(cut.places, first + len(one.numbers), begin)
        places = [place - first for place in cut.places[begin:end]]
        rows.append(one.rows.some(places))
        births += [one.births[place] for place in places]
        first, begin = first + len(one.numbers), end
    labels = tuple(labels for one in rows for labels in one.labels)
    born = np.array(births, dtype=np.int64)
    return Selection(Columns(labels, cut.offsets, cut.times, cut.values, born), rows)
