"""The embedded store's SQLite file as readers see it, in this process or in another."""

import json
import sqlite3
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from store.archive import MIGRATIONS, Numbered
from store.codec import Batch, checksum, unpacked, unpacked_batch
from store.columns import Millis
from vocabulary.errors import StoreError
from vocabulary.samples import Array, Series

_Part = tuple[Millis, Array]


class News(NamedTuple):
    """What was committed since somebody last looked."""

    sealed: int
    """Batches up to here are chunks now."""
    numbered: int
    """The highest number a series ever had."""
    series: list[Numbered]
    batches: list[tuple[int, Batch]]


class _Chunk(NamedTuple):
    """Where one chunk lies in time, in milliseconds."""

    id: int
    first: int
    last: int


MOST_LISTED = 200_000
"""Chunks whose places in time are remembered: some 40 MB (our judgement)."""


class Reading:
    """A read-only connection; *alarm* is called with a sentence for each damaged piece found.

    Raises:
        StoreError: There is no store, or a newer Tidegauge wrote it.
    """

    def __init__(self, path: Path, alarm: Callable[[str], None], most_cached: int) -> None:
        self._alarm = alarm
        self._most_cached = most_cached
        self._cached = 0
        self._cache: OrderedDict[int, _Part] = OrderedDict()
        self._chunking = 0
        self._listing = 0
        self._lists: dict[int, tuple[int, list[_Chunk]]] = {}
        """By series: from when on its list is complete, and the list."""
        self._lock = threading.Lock()
        try:
            # Autocommit, so that each question sees what has been committed by then.
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                timeout=10.0,
            )
            # Damaged text must reach the checksum instead of stopping the whole question.
            self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot read {path}: {error}; has a store been made there?"
            ) from error
        if version != len(MIGRATIONS):
            self.close()
            raise StoreError(
                f"{path} has schema version {version}, and this Tidegauge reads "
                f"{len(MIGRATIONS)}; open it once with the version that should write it"
            )

    def version(self) -> int:
        """A number that changes when another connection commits."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def news(self, series_after: int, batches_after: int, sealed: int) -> News:
        """What came after these numbers, as of one moment.

        When more has become chunks than *sealed*, the batches are all that have not.
        """
        with self._lock, self._guarded():
            self._connection.execute("BEGIN")
            try:
                state = dict(self._connection.execute("SELECT name, value FROM state").fetchall())
                series = self._connection.execute(
                    "SELECT id, spelling, born, checksum FROM series WHERE id > ? ORDER BY id",
                    (series_after,),
                ).fetchall()
                begin = batches_after if state["sealed"] == sealed else state["sealed"]
                batches = self._connection.execute(
                    "SELECT seq, checksum, body FROM batch WHERE seq > ? ORDER BY seq",
                    (begin,),
                ).fetchall()
            finally:
                self._connection.execute("COMMIT")
        return News(
            state["sealed"],
            state["numbered"],
            list(self._whole_series(series)),
            list(self._whole_batches(batches, begin)),
        )

    def newest(self) -> int | None:
        """The last moment of any chunk."""
        found = self._rows("SELECT max(last) FROM chunk")[0][0]
        return None if found is None else int(found)

    def samples(
        self, numbers: Sequence[int], after: int, until: int, chunking: int
    ) -> dict[int, list[_Part]]:
        """What chunks of these series hold in (after, until], oldest arrival first.

        *chunking* is a number that rises whenever there are other chunks than before.
        """
        wanted = [
            (one, number)
            for number, chunks in self._listed(numbers, after, chunking).items()
            for one in chunks
            if one.last > after and one.first <= until
        ]
        found: dict[int, list[_Part]] = defaultdict(list)
        chunks = self._chunks([one.id for one, _ in wanted])
        for one, number in wanted:
            part = chunks.get(one.id)
            if part is not None and (one.first <= after or one.last > until):
                begin, end = part[0].searchsorted((after, until), side="right")
                part = part[0][begin:end], part[1][begin:end]
            if part is not None:
                found[number].append(part)
        return found

    def _listed(
        self, numbers: Sequence[int], after: int, chunking: int
    ) -> dict[int, Sequence[_Chunk]]:
        """The chunks of each of these series that end later than *after*, and maybe older ones.

        As long as *chunking* stands, the file is asked again only for what is older.
        """
        with self._lock:
            if chunking > self._chunking or self._listing > MOST_LISTED:
                self._lists, self._listing = {}, 0
                self._chunking = max(chunking, self._chunking)
            known = self._lists if chunking == self._chunking else {}
            have = {one: known[one] for one in numbers if one in known and known[one][0] <= after}
        missing = [one for one in numbers if one not in have]
        lists: dict[int, list[_Chunk]] = {one: [] for one in missing}
        if missing:
            rows = self._rows(
                "SELECT series, id, first, last FROM chunk "
                "WHERE series IN (SELECT value FROM json_each(?)) AND last > ? ORDER BY id",
                json.dumps(missing),
                after,
            )
            for number, *chunk in rows:
                lists[number].append(_Chunk(*chunk))
            with self._lock:
                if chunking == self._chunking:
                    self._lists.update({one: (after, lists[one]) for one in missing})
                    self._listing += len(rows)
        return {**{one: chunks for one, (_, chunks) in have.items()}, **lists}

    def _chunks(self, identities: Sequence[int]) -> dict[int, _Part]:
        with self._lock:
            have = {one: self._cache[one] for one in identities if one in self._cache}
            for one in have:
                self._cache.move_to_end(one)
        missing = [one for one in identities if one not in have]
        if not missing:
            return have
        rows = self._rows(
            "SELECT id, series, checksum, body FROM chunk "
            "WHERE id IN (SELECT value FROM json_each(?))",
            json.dumps(missing),
        )
        for identity, number, check, body in rows:
            if checksum(body, number) != check:
                self._alarm(f"chunk {identity} of series {number} is damaged and left out")
                continue
            have[identity] = self._remember(identity, unpacked(body))
        return have

    def _remember(self, identity: int, part: _Part) -> _Part:
        with self._lock:
            if identity not in self._cache:
                self._cache[identity] = part
                self._cached += len(part[0])
            while self._cached > self._most_cached:
                _, (times, _) = self._cache.popitem(last=False)
                self._cached -= len(times)
        return part

    def _whole_series(self, rows: Sequence[sqlite3.Row]) -> Iterator[Numbered]:
        for number, spelling, birth, check in rows:
            if checksum(spelling.encode(), number) != check:
                self._alarm(f"the name of series {number} is damaged; its samples are left out")
                continue
            name, labels = json.loads(spelling)
            yield Numbered(
                number, Series(name, tuple((key, value) for key, value in labels)), birth
            )

    def _whole_batches(
        self, rows: Sequence[sqlite3.Row], begin: int
    ) -> Iterator[tuple[int, Batch]]:
        before = begin
        for seq, check, body in rows:
            if before >= 0 and seq != before + 1:
                self._alarm(f"batches {before + 1} to {seq - 1} are missing from the log")
            before = seq
            if checksum(body, seq) != check:
                self._alarm(f"batch {seq} of the log is damaged and left out")
                continue
            yield seq, unpacked_batch(body)

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, self._guarded():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"the store's file cannot be read: {error}; move it away to begin a new one"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
