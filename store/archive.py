"""The embedded store's SQLite file as its one writer sees it: series, log of batches, chunks."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from store.codec import Batch, checksum, packed, packed_batch
from store.columns import Millis
from store.database import Database
from vocabulary.samples import Array, Series

MIGRATIONS = (
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, spelling TEXT NOT NULL, born INTEGER NOT NULL,
        checksum INTEGER NOT NULL);
    CREATE TABLE batch (
        seq INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE chunk (
        id INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, first INTEGER NOT NULL,
        last INTEGER NOT NULL, samples INTEGER NOT NULL, checksum INTEGER NOT NULL,
        body BLOB NOT NULL);
    CREATE INDEX chunk_of_series ON chunk (series, last, first, samples);
    CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO state VALUES ('sealed', 0), ('numbered', 0);
    """,
)

CHUNK_SAMPLES = 1024
"""Samples a chunk holds at most: four hours at 15 s, 3.5 days at five minutes (our judgement)."""


class Numbered(NamedTuple):
    """A series with its number and birth."""

    number: int
    series: Series
    birth: int


class Writing:
    """The one writer's side of the file; every method is one durable transaction.

    Raises:
        StoreError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS)

    def write(self, series: Iterable[Numbered], batches: Iterable[tuple[int, Batch]]) -> None:
        """Log *batches* under their sequence numbers, and the series they are the first to name."""
        logged = [(seq, packed_batch(batch)) for seq, batch in batches]
        with self._database.transaction() as connection:
            _insert_series(connection, series)
            connection.executemany(
                "INSERT INTO batch VALUES (?, ?, ?)",
                [(seq, checksum(body, seq), body) for seq, body in logged],
            )

    def seal(self, through: int, columns: Iterable[tuple[int, Millis, Array]]) -> None:
        """Turn the log up to sequence number *through* into chunks of *columns*."""
        rows = list(_chunk_rows(columns))
        with self._database.transaction() as connection:
            _insert_chunks(connection, rows)
            connection.execute("DELETE FROM batch WHERE seq <= ?", (through,))
            connection.execute("UPDATE state SET value = ? WHERE name = 'sealed'", (through,))
        self._database.checkpoint()

    def load(
        self, series: Iterable[Numbered], columns: Sequence[tuple[int, Millis, Array]]
    ) -> None:
        """Keep *columns* as chunks at once, past the log."""
        rows = list(_chunk_rows(columns))
        with self._database.transaction() as connection:
            _insert_series(connection, series)
            _insert_chunks(connection, rows)

    def drop_before(self, moment: int) -> int:
        """Delete the chunks that end before *moment*. Gives how many samples went."""
        return self._drop("last < ?", moment)

    def drop_oldest(self, most_bytes: int) -> int:
        """Delete oldest chunks until the file uses no more than *most_bytes*."""
        dropped = 0
        while self.used_bytes() > most_bytes:
            [row] = self._database.query("SELECT count(*) AS chunks FROM chunk")
            if not row["chunks"]:
                break
            oldest = "id IN (SELECT id FROM chunk ORDER BY last LIMIT ?)"
            dropped += self._drop(oldest, 1 + row["chunks"] // 20)
        return dropped

    def _drop(self, which: str, value: int) -> int:
        # `which` is one of the two clauses above, never text from outside.
        with self._database.transaction() as connection:
            found = connection.execute(
                f"SELECT coalesce(sum(samples), 0) FROM chunk WHERE {which}",  # noqa: S608
                (value,),
            ).fetchone()[0]
            connection.execute(f"DELETE FROM chunk WHERE {which}", (value,))  # noqa: S608
        return int(found)

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            int(self._database.query(f"PRAGMA {pragma}")[0][0])
            for pragma in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def forget_empty(self, living: Iterable[int]) -> list[int]:
        """Delete series that have no chunk and are not *living* in memory; gives their numbers."""
        alive = set(living)
        rows = self._database.query(
            "SELECT id FROM series WHERE id NOT IN (SELECT series FROM chunk)"
        )
        gone = [int(row["id"]) for row in rows if row["id"] not in alive]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM series WHERE id = ?", [(one,) for one in gone])
        return gone

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def spelled(series: Series) -> str:
    """A series as it stands in the file: JSON, so that any text comes back as it was."""
    return json.dumps(series, separators=(",", ":"))


def _insert_series(connection: sqlite3.Connection, series: Iterable[Numbered]) -> None:
    rows = [
        (number, text, birth, checksum(text.encode(), number))
        for number, one, birth in series
        for text in (spelled(one),)
    ]
    connection.executemany("INSERT INTO series VALUES (?, ?, ?, ?)", rows)
    if rows:
        connection.execute(
            "UPDATE state SET value = max(value, ?) WHERE name = 'numbered'",
            (max(row[0] for row in rows),),
        )


def _chunk_rows(columns: Iterable[tuple[int, Millis, Array]]) -> Iterator[tuple[object, ...]]:
    for number, times, values in columns:
        for start in range(0, len(times), CHUNK_SAMPLES):
            part, worth = (
                times[start : start + CHUNK_SAMPLES],
                values[start : start + CHUNK_SAMPLES],
            )
            body = packed(part, worth)
            yield number, int(part[0]), int(part[-1]), len(part), checksum(body, number), body


def _insert_chunks(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    connection.executemany(
        "INSERT INTO chunk (series, first, last, samples, checksum, body) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
