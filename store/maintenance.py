"""Maintenance windows: times in which work is done somewhere and nobody is to be told of it."""

from dataclasses import astuple, dataclass

from store.database import Database

SCHEMA = """
CREATE TABLE maintenance (
    id TEXT PRIMARY KEY,
    starts_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    entity TEXT NOT NULL,
    pool TEXT NOT NULL,
    node TEXT NOT NULL,
    failure_mode TEXT NOT NULL,
    ended_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX maintenance_by_end ON maintenance (ends_at)
"""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when (half-open), and where: all that is not empty must fit."""

    id: str
    starts_at: float
    ends_at: float
    who: str
    reason: str
    entity: str = ""
    """`kind/id`."""
    pool: str = ""
    node: str = ""
    failure_mode: str = ""
    """Its word."""
    ended_by: str = ""
    """Who ended it before its time; empty when nobody did."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The table of windows."""

    database: Database

    def put(self, window: Window) -> None:
        """Keep *window* over what was kept under its id; durable when it returns."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO maintenance VALUES (?,?,?,?,?,?,?,?,?,?)", astuple(window)
            )

    def get(self, window_id: str) -> Window | None:
        """One window, or None."""
        rows = self.database.query("SELECT * FROM maintenance WHERE id=?", window_id)
        return Window(**dict(rows[0])) if rows else None

    def ending_after(self, moment: float, limit: int = 500) -> list[Window]:
        """Windows that are not over at *moment*, the next to begin first."""
        rows = self.database.query(
            "SELECT * FROM maintenance WHERE ends_at>? ORDER BY starts_at, id LIMIT ?",
            moment,
            limit,
        )
        return [Window(**dict(row)) for row in rows]
