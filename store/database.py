"""SQLite files opened the one right way: WAL, full sync, a schema version, forward migrations."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vocabulary.errors import StoreError


class Database:
    """One SQLite file shared by the threads of one process; commits are durable when they return.

    Other processes may read it at the same time. *migrations* are SQL scripts; the file's
    `user_version` says how many have run, and opening runs the rest.

    Raises:
        StoreError: The file cannot be opened, or a newer Tidegauge wrote it.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=10.0
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._migrate(migrations)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot open {path}: {error}; is the folder writable?") from error

    def _migrate(self, migrations: Sequence[str]) -> None:
        with self.transaction() as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > len(migrations):
                raise StoreError(
                    f"{self.path} has schema version {version}, and this Tidegauge knows "
                    f"{len(migrations)}; use the version that wrote it, or another --data-dir"
                )
            for script in migrations[version:]:
                for statement in _statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(migrations)}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside commits together, or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows of a read."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def checkpoint(self) -> None:
        """Fold the write-ahead log back into the file; call it on a timer."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Checkpoint and close; the object is of no use afterwards."""
        with self._lock:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """The statements of *script*; a trigger's own semicolons do not end it."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
