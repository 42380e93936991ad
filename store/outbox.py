"""What must still be told to somebody, kept until it has been told: at least once, in order."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from store.database import Database

SCHEMA = """
CREATE TABLE outbox (
    receiver TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    opened_at REAL NOT NULL,
    due_at REAL NOT NULL,
    accepted_at REAL,
    resolved_at REAL,
    closing_at REAL,
    settled_at REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (receiver, key)
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (receiver, due_at) WHERE settled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """The newest thing one receiver should know about one subject.

    A row is a subject, not a message: a newer state replaces an older one that was never sent,
    except that a subject which closed before it was ever accepted is still announced first.
    """

    receiver: str
    key: str
    """Idempotency key: the receiver is told about one key once, however often it is sent."""
    body: Mapping[str, Any]
    opened_at: float
    due_at: float
    accepted_at: float | None = None
    """When the receiver first took it; None until then."""
    resolved_at: float | None = None
    """When the subject closed; None while it is open."""
    closing_at: float | None = None
    """When the receiver first took that it is closed."""
    settled_at: float | None = None
    """When nothing was left to say."""
    attempts: int = 0
    """Failures since the last success."""
    error: str = ""


@dataclass(slots=True)
class Outbox:
    """The table of notices. Writes join the transaction of whatever they announce."""

    database: Database

    def put(self, notices: Iterable[Notice], connection: sqlite3.Connection) -> None:
        """Announce inside the caller's transaction; a subject that reopens starts afresh."""
        connection.executemany(
            "INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?,?,?,?) "
            "ON CONFLICT (receiver, key) DO UPDATE SET body=excluded.body, due_at=excluded.due_at, "
            "accepted_at=CASE WHEN outbox.opened_at=excluded.opened_at THEN outbox.accepted_at END,"
            "closing_at=CASE WHEN outbox.opened_at=excluded.opened_at "
            "AND excluded.resolved_at IS NOT NULL THEN outbox.closing_at END, "
            "resolved_at=excluded.resolved_at, opened_at=excluded.opened_at, settled_at=NULL",
            [_row(notice) for notice in notices],
        )

    def update(self, notices: Iterable[Notice]) -> None:
        """Note what became of an attempt.

        A newer state that was put meanwhile stays due: only a row that still says what was sent
        is moved on.
        """
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE outbox SET due_at=CASE WHEN body=? AND resolved_at IS ? THEN ? "
                "ELSE due_at END, accepted_at=?, "
                "closing_at=CASE WHEN resolved_at IS NOT NULL THEN ? END, "
                "settled_at=CASE WHEN body=? AND resolved_at IS ? THEN ? END, attempts=?, error=? "
                "WHERE receiver=? AND key=? AND opened_at=?",
                [_move(notice) for notice in notices],
            )

    def due(self, receiver: str, now: float, limit: int = 64) -> list[Notice]:
        """What *receiver* should be told at *now*, longest due first."""
        rows = self.database.query(
            "SELECT * FROM outbox WHERE receiver=? AND settled_at IS NULL "
            "AND due_at<=? ORDER BY due_at, key LIMIT ?",
            receiver,
            now,
            limit,
        )
        return [_notice(row) for row in rows]

    def waiting(self, receiver: str) -> int:
        """How many subjects *receiver* has never taken."""
        row = self.database.query(
            "SELECT count(*) FROM outbox WHERE receiver=? AND settled_at IS NULL "
            "AND accepted_at IS NULL",
            receiver,
        )[0]
        return int(row[0])

    def find(self, receiver: str, key: str) -> Notice | None:
        """The row of one subject, settled or not."""
        rows = self.database.query("SELECT * FROM outbox WHERE receiver=? AND key=?", receiver, key)
        return _notice(rows[0]) if rows else None

    def prune(self, before: float) -> None:
        """Forget what was settled before *before*."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE settled_at<?", (before,))


def _row(notice: Notice) -> tuple[object, ...]:
    return (
        notice.receiver,
        notice.key,
        _text(notice.body),
        notice.opened_at,
        notice.due_at,
        notice.accepted_at,
        notice.resolved_at,
        notice.closing_at,
        notice.settled_at,
        notice.attempts,
        notice.error,
    )


def _move(notice: Notice) -> tuple[object, ...]:
    body, resolved = _text(notice.body), notice.resolved_at
    return (
        *(body, resolved, notice.due_at),
        notice.accepted_at,
        notice.closing_at,
        *(body, resolved, notice.settled_at),
        *(notice.attempts, notice.error[:500]),
        *(notice.receiver, notice.key, notice.opened_at),
    )


def _notice(row: sqlite3.Row) -> Notice:
    return Notice(**{**dict(row), "body": json.loads(row["body"])})


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))
