"""What was told to have been done to the fleet, in order of arrival: a replay tells it again."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from store.database import Database
from vocabulary.change_events import change_attributes, change_of
from vocabulary.entities import Change
from vocabulary.errors import StoreError

SCHEMA = """
CREATE TABLE told_changes (
    sequence INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    arrived_at REAL NOT NULL,
    at REAL NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX told_changes_by_arrival ON told_changes (arrived_at)
"""
SINCE_VERSION = 3
"""Schema version of the control file that has this table first."""
KEPT_SECONDS = 35 * 86400.0
"""Five weeks, as long as an incident is learnt from: no replay reaches farther back."""


@dataclass(frozen=True, slots=True)
class Told:
    """A change and when we heard of it."""

    arrived_at: float
    change: Change


@dataclass(frozen=True, slots=True)
class ToldChanges:
    """The table in the control file."""

    database: Database

    def keep(self, changes: Iterable[Change], arrived_at: float) -> None:
        """Keep each of *changes* that was not told in the same words before."""
        rows = [(_key(one), arrived_at, one.at, _body(one)) for one in changes]
        if all(self.database.query(_KNOWN, row[0]) for row in rows):
            return
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO told_changes (key, arrived_at, at, body) VALUES (?,?,?,?)",
                rows,
            )

    def prune(self, before: float) -> None:
        """Forget what arrived before a moment."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM told_changes WHERE arrived_at<?", (before,))


_KNOWN = "SELECT 1 FROM told_changes WHERE key=?"


def read_told_changes(path: Path, start: float, end: float) -> list[Told]:
    """What arrived from *start* up to *end*, oldest first, out of a control file others may hold.

    Nothing where the file is older than the table.

    Raises:
        StoreError: The file cannot be read.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=10.0)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < SINCE_VERSION:
                return []
            rows = connection.execute(
                "SELECT arrived_at, at, body FROM told_changes "
                "WHERE arrived_at>=? AND arrived_at<=? ORDER BY sequence",
                (start, end),
            ).fetchall()
        return [Told(arrived, change_of(json.loads(body), at)) for arrived, at, body in rows]
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"cannot read the changes in {path}: {error}") from error


def _body(change: Change) -> str:
    return json.dumps(change_attributes(change), separators=(",", ":"))


def _key(change: Change) -> str:
    """Its id, which names one happening wherever it is told; else its time and words."""
    return f"id {change.id}" if change.id else f"{change.at} {_body(change)}"
