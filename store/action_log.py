"""What was done to clusters through us, step by step: appended to, never changed, chained by hash.

It is the only place that knows how an action stands: plans, approvals and outcomes are its entries,
and nothing else remembers them. Each entry's hash covers the one before, the table refuses changes
and deletions, and every entry has a line in its incident's history, which is a chain of its own:
who alters the one is betrayed by itself, who cuts off its end is betrayed by the other.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store.database import Database
from vocabulary.errors import ConflictError
from vocabulary.incidents import Activity

SCHEMA = """
CREATE TABLE action_log (
    sequence INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    plan TEXT NOT NULL,
    action TEXT NOT NULL,
    incident TEXT NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX action_log_by_plan ON action_log (plan, sequence);
CREATE INDEX action_log_by_action ON action_log (action, sequence);
CREATE INDEX action_log_by_what ON action_log (what, at);
CREATE UNIQUE INDEX action_log_executes_once ON action_log (plan) WHERE what='executing';
CREATE UNIQUE INDEX action_log_approves_once ON action_log (plan, who) WHERE what='approved';
CREATE TRIGGER action_log_keeps BEFORE DELETE ON action_log
BEGIN SELECT RAISE(ABORT, 'the action log is only appended to'); END;
CREATE TRIGGER action_log_stays BEFORE UPDATE ON action_log
BEGIN SELECT RAISE(ABORT, 'the action log is only appended to'); END
"""

GENESIS = "0" * 64
LINE = "action "
"""How the line of an entry begins in its incident's history."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to one plan."""

    at: float
    who: str
    what: str
    """`planned`, `approved`, `refused`, `executing`; then `executed`, `failed` or `unknown`; and
    `verified`."""
    plan: str
    action: str
    incident: str
    body: Mapping[str, Any]
    """Everything there is to know of it: the plan, guards, request, response, what was seen."""
    said: str = ""
    """The line for the incident's history."""

    def activity(self) -> tuple[str, Activity]:
        """The line for the incident's history, with the incident it belongs to."""
        text = f"{self.said[:1900]} (plan {self.plan})"
        return self.incident, Activity(self.at, self.who, LINE + self.what, text)


@dataclass(frozen=True, slots=True)
class Entry:
    """A step as it was kept."""

    sequence: int
    at: float
    who: str
    what: str
    plan: str
    action: str
    incident: str
    body: Mapping[str, Any]
    hash: str


class ActionLog:
    """The table in the control file. It is written by `IncidentRecords.save` alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, connection: sqlite3.Connection, steps: Iterable[Step]) -> None:
        """Add *steps* inside the caller's transaction.

        Raises:
            ConflictError: The plan is being executed already, or was approved by the same person.
        """
        for step in steps:
            last = connection.execute(
                "SELECT sequence, hash FROM action_log ORDER BY sequence DESC LIMIT 1"
            ).fetchone()
            sequence, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
            body = canonical(step.body)
            head = (step.at, step.who, step.what, step.plan, step.action, step.incident)
            link = chained(previous, sequence, *head, body)
            try:
                connection.execute(
                    "INSERT INTO action_log VALUES (?,?,?,?,?,?,?,?,?)",
                    (sequence, *head, body, link),
                )
            except sqlite3.IntegrityError as error:
                raise ConflictError(f"plan {step.plan} is {step.what} already") from error

    def of_plan(self, plan: str) -> list[Entry]:
        """Everything that happened to one plan, oldest first."""
        return self._entries("WHERE plan=? ORDER BY sequence", plan)

    def plans_of(self, action: str) -> list[str]:
        """Plans that were made for an action, oldest first."""
        rows = self._database.query(
            "SELECT plan FROM action_log WHERE action=? AND what='planned' ORDER BY sequence",
            action,
        )
        return [row["plan"] for row in rows]

    def plans_executed(self, since: float) -> list[str]:
        """Plans whose execution began at or after a moment, oldest first."""
        rows = self._database.query(
            "SELECT plan FROM action_log WHERE what='executing' AND at>=? ORDER BY sequence", since
        )
        return [row["plan"] for row in rows]

    def page(self, after: int, limit: int) -> list[Entry]:
        """Entries behind the one numbered *after*, oldest first; a negative *limit* is none."""
        return self._entries("WHERE sequence>? ORDER BY sequence LIMIT ?", after, limit)

    def lines_told(self) -> int:
        """How many entries the incidents' histories tell of: as many as there are."""
        rows = self._database.query(
            "SELECT count(*) FROM audit WHERE what>=? AND what<?", LINE, LINE[:-1] + "!"
        )
        return int(rows[0][0])

    def _entries(self, where: str, *values: object) -> list[Entry]:
        rows = self._database.query(f"SELECT * FROM action_log {where}", *values)  # noqa: S608
        return [Entry(**{**dict(row), "body": json.loads(row["body"])}) for row in rows]


def canonical(body: Mapping[str, Any]) -> str:
    """*body* as the text that is hashed."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def chained(previous: str, sequence: int, *parts: object) -> str:
    """The hash of an entry behind the one whose hash is *previous*."""
    said = json.dumps([previous, sequence, *parts], separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def fault(entries: Sequence[Entry], told: int) -> str:
    """What is wrong with the whole log, in words; empty when nothing is.

    *told* is how many entries the incidents' histories tell of.
    """
    previous = GENESIS
    for expected, one in enumerate(entries, start=1):
        parts = (one.at, one.who, one.what, one.plan, one.action, one.incident)
        previous = chained(previous, one.sequence, *parts, canonical(one.body))
        if one.sequence != expected:
            return f"entry {expected} is missing"
        if one.hash != previous:
            return f"entry {expected} is not what was written, or one before it was taken away"
    if len(entries) != told:
        return f"there are {len(entries)} entries, and the incidents' histories tell of {told}"
    return ""
