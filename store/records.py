"""Control state that must survive anything: incidents, acts, silences, answers, notices, snapshots.

One SQLite file. What is acknowledged to a person is durable before the acknowledgement leaves.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store import incident_query
from store.acknowledged import Acknowledged
from store.action_log import SCHEMA as ACTION_LOG_SCHEMA
from store.action_log import ActionLog, Step
from store.database import Database
from store.maintenance import SCHEMA as MAINTENANCE_SCHEMA
from store.maintenance import Maintenance
from store.outbox import SCHEMA as OUTBOX_SCHEMA
from store.outbox import Notice, Outbox
from store.told_changes import KEPT_SECONDS as CHANGES_KEPT_SECONDS
from store.told_changes import SCHEMA as TOLD_CHANGES_SCHEMA
from store.told_changes import ToldChanges
from vocabulary.errors import ConflictError, NotFound, StoreError
from vocabulary.incidents import Activity, Incident, incident_from_json, incident_json

SCHEMA = """
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    failure_mode TEXT NOT NULL,
    pool TEXT NOT NULL,
    model TEXT NOT NULL,
    opened_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    resolved_at REAL,
    merged_into TEXT NOT NULL,
    words TEXT NOT NULL,
    body TEXT NOT NULL,
    memory TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_by_age ON incidents (opened_at DESC, id DESC);
CREATE INDEX incidents_by_state ON incidents (state, opened_at DESC);
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    text TEXT NOT NULL,
    incident TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_incident ON audit (incident, sequence);
CREATE INDEX audit_by_what ON audit (what, at);
CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    starts_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX silences_by_end ON silences (ends_at);
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    asked TEXT NOT NULL,
    answer TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE snapshots (name TEXT PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID
"""

MIGRATIONS = (SCHEMA, OUTBOX_SCHEMA, TOLD_CHANGES_SCHEMA, MAINTENANCE_SCHEMA, ACTION_LOG_SCHEMA)
"""Only ever appended to: a file of any age is brought forward when it is opened."""

ANSWERS_KEPT_SECONDS = 7 * 86400.0
"""How long a repeated request gets its first answer; our judgement."""

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Kept:
    """An incident as people see it, and what the desk must remember beside it."""

    incident: Incident
    memory: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which nobody is to be told about one incident."""

    id: str
    incident: str
    starts_at: float
    ends_at: float
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request with an idempotency key was answered."""

    key: str
    asked: Mapping[str, Any]
    """The request, so that another one under the same key is noticed."""
    incident: Incident
    at: float


class IncidentRecords:
    """The control file and everything in it.

    Raises:
        StoreError: The file cannot be opened, a newer Tidegauge wrote it, or another process
            holds it.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS)
        self.outbox = Outbox(self._database)
        self.maintenance = Maintenance(self._database)
        self.told_changes = ToldChanges(self._database)
        self.actions = ActionLog(self._database)
        self._acknowledged = Acknowledged(path.with_suffix(".acknowledged"))
        self._saving = threading.Lock()
        self.sequence, self._hash = self._last_act()
        self.lost = max(0, self._acknowledged.last - self.sequence)
        """Acts that were acknowledged once and are in the file no more: a damaged disk. SQLite
        drops a damaged tail without a word, so the number lives outside the file."""

    def save(
        self,
        kept: Iterable[Kept] = (),
        acts: Iterable[tuple[str, Activity]] = (),
        notices: Iterable[Notice] = (),
        silences: Iterable[Silence] = (),
        answer: Answer | None = None,
        steps: Iterable[Step] = (),
    ) -> None:
        """Keep all of it or nothing of it; durable when it returns.

        Raises:
            ConflictError: The answer's key was used for another request, or a step was taken.
            StoreError: The disk refused.
        """
        with self._saving:
            head = self._commit(kept, acts, notices, silences, answer, tuple(steps))
            if head != (self.sequence, self._hash):
                self.sequence, self._hash = head
                self._acknowledged.write(self.sequence)

    def unresolved(self) -> list[Kept]:
        """Every incident that is not over, oldest first."""
        return self._kept(
            "SELECT body, memory FROM incidents WHERE state!='resolved' ORDER BY opened_at, id"
        )

    def resolved_since(self, moment: float) -> list[Kept]:
        """Incidents that ended at or after *moment* and were not merged, oldest first."""
        return self._kept(
            "SELECT body, memory FROM incidents WHERE state='resolved' AND merged_into='' "
            "AND resolved_at>=? ORDER BY opened_at, id",
            moment,
        )

    def get(self, incident_id: str) -> Incident:
        """One incident with its whole history.

        Raises:
            NotFound: There is none with this id.
        """
        return self.kept(incident_id).incident

    def kept(self, incident_id: str) -> Kept:
        """One incident with what the desk remembers of it.

        Raises:
            NotFound: There is none with this id.
        """
        found = self._kept("SELECT body, memory FROM incidents WHERE id=?", incident_id)
        if not found:
            raise NotFound(f"there is no incident {incident_id[:80]!r}; list them to find its id")
        return found[0]

    def page(
        self, wanted: incident_query.Wanted, limit: int, cursor: str | None
    ) -> tuple[list[Incident], str | None]:
        """A page of incidents, newest first, and where the next one begins.

        Raises:
            RequestRefused: The cursor is none that this method gave.
        """
        values = incident_query.values(wanted, limit, cursor)
        rows = self._database.query(incident_query.SELECT, *values)
        found = [self._with_activity(row["body"]) for row in rows[:limit]]
        return found, incident_query.cursor_after(found[-1]) if len(rows) > limit else None

    def activity(self, incident_id: str) -> tuple[Activity, ...]:
        """Every act on one incident, oldest first."""
        rows = self._database.query(
            "SELECT at, who, what, text FROM audit WHERE incident=? ORDER BY sequence", incident_id
        )
        return tuple(Activity(**dict(row)) for row in rows)

    def acts(self, what: str, since: float) -> int:
        """How often *what* was done since a moment."""
        rows = self._database.query(
            "SELECT count(*) FROM audit WHERE what=? AND at>=?", what, since
        )
        return int(rows[0][0])

    def silences(self, now: float) -> list[Silence]:
        """Silences in force at *now*."""
        rows = self._database.query(
            "SELECT * FROM silences WHERE starts_at<=? AND ends_at>? ORDER BY id", now, now
        )
        return [Silence(**dict(row)) for row in rows]

    def answered(self, key: str, asked: Mapping[str, Any]) -> Incident | None:
        """What this very request was answered before, or None.

        Raises:
            ConflictError: The key was used for another request.
        """
        rows = self._database.query("SELECT asked, answer FROM answers WHERE key=?", key)
        if not rows:
            return None
        if rows[0]["asked"] != _fingerprint(asked):
            raise ConflictError(f"idempotency key {key[:80]!r} was used for another request")
        return incident_from_json(json.loads(rows[0]["answer"]))

    def save_snapshot(self, name: str, body: Any, at: float) -> None:
        """Keep a named state (fleet, baselines) over the last one of that name."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?,?,?)", (name, json.dumps(body), at)
            )

    def snapshot(self, name: str) -> tuple[Any, float] | None:
        """A named state and when it was kept."""
        rows = self._database.query("SELECT body, at FROM snapshots WHERE name=?", name)
        return (json.loads(rows[0]["body"]), float(rows[0]["at"])) if rows else None

    def broken_link(self) -> int | None:
        """Sequence of the first act whose hash does not follow from those before, or None."""
        previous = GENESIS
        for expected, row in enumerate(
            self._database.query("SELECT * FROM audit ORDER BY sequence"), start=1
        ):
            line = Activity(row["at"], row["who"], row["what"], row["text"])
            previous = _link(previous, row["sequence"], row["incident"], line)
            if row["sequence"] != expected or row["hash"] != previous:
                return int(row["sequence"])
        return None

    def tidy(self, now: float) -> None:
        """Forget old answers and settled notices, and fold the log back; call it on a timer."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM answers WHERE at<?", (now - ANSWERS_KEPT_SECONDS,))
        self.outbox.prune(now - ANSWERS_KEPT_SECONDS)
        self.told_changes.prune(now - CHANGES_KEPT_SECONDS)
        self._database.checkpoint()

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._database.close()
        self._acknowledged.close()

    def _commit(
        self,
        kept: Iterable[Kept],
        acts: Iterable[tuple[str, Activity]],
        notices: Iterable[Notice],
        silences: Iterable[Silence],
        answer: Answer | None,
        steps: tuple[Step, ...],
    ) -> tuple[int, str]:
        try:
            with self._database.transaction() as connection:
                connection.executemany(_SAVE_INCIDENT, (_incident_row(one) for one in kept))
                self.actions.append(connection, steps)
                head = self._append(connection, (*acts, *(one.activity() for one in steps)))
                self.outbox.put(notices, connection)
                connection.executemany(
                    "INSERT OR REPLACE INTO silences VALUES (?,?,?,?,?,?)",
                    [_silence_row(one) for one in silences],
                )
                if answer is not None:
                    _keep_answer(connection, answer)
        except sqlite3.IntegrityError as error:
            raise ConflictError(f"idempotency key {answer and answer.key!r} is in use") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot write {self._database.path}: {error}") from error
        return head

    def _append(
        self, connection: sqlite3.Connection, acts: Iterable[tuple[str, Activity]]
    ) -> tuple[int, str]:
        sequence, previous = self.sequence, self._hash
        rows = []
        for incident_id, line in acts:
            sequence += 1
            previous = _link(previous, sequence, incident_id, line)
            rows.append((sequence, line.at, line.who, line.what, line.text, incident_id, previous))
        connection.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?,?)", rows)
        return sequence, previous

    def _last_act(self) -> tuple[int, str]:
        rows = self._database.query(
            "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"
        )
        return (int(rows[0]["sequence"]), str(rows[0]["hash"])) if rows else (0, GENESIS)

    def _kept(self, sql: str, *values: object) -> list[Kept]:
        rows = self._database.query(sql, *values)
        return [Kept(self._with_activity(row["body"]), json.loads(row["memory"])) for row in rows]

    def _with_activity(self, body: str) -> Incident:
        incident = incident_from_json(json.loads(body))
        return incident.evolve(activity=self.activity(incident.id))


_SAVE_INCIDENT = (
    "INSERT INTO incidents VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
    "state=excluded.state, severity=excluded.severity, failure_mode=excluded.failure_mode, "
    "pool=excluded.pool, model=excluded.model, updated_at=excluded.updated_at, "
    "resolved_at=excluded.resolved_at, merged_into=excluded.merged_into, words=excluded.words, "
    "body=excluded.body, memory=excluded.memory"
)


def _incident_row(kept: Kept) -> tuple[object, ...]:
    incident = kept.incident
    body = json.dumps(incident_json(incident.evolve(activity=())), separators=(",", ":"))
    return (
        incident.id,
        incident.state.value,
        incident.severity.value,
        incident.failure_mode.word,
        incident.pool,
        incident.model,
        incident.opened_at,
        incident.updated_at,
        incident.resolved_at,
        incident.merged_into,
        incident_query.words(incident),
        body,
        json.dumps(kept.memory, separators=(",", ":")),
    )


def _silence_row(silence: Silence) -> tuple[object, ...]:
    return (
        silence.id,
        silence.incident,
        silence.starts_at,
        silence.ends_at,
        silence.who,
        silence.reason,
    )


def _keep_answer(connection: sqlite3.Connection, answer: Answer) -> None:
    connection.execute(
        "INSERT INTO answers VALUES (?,?,?,?)",
        (
            answer.key,
            _fingerprint(answer.asked),
            json.dumps(incident_json(answer.incident)),
            answer.at,
        ),
    )


def _fingerprint(asked: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _link(previous: str, sequence: int, incident_id: str, line: Activity) -> str:
    said = json.dumps([previous, sequence, incident_id, line.at, line.who, line.what, line.text])
    return hashlib.sha256(said.encode()).hexdigest()
