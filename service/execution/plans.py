"""A plan, and how it stands: both are read out of the action log, where nothing else remembers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from store.action_log import Entry, canonical
from vocabulary.actions import Action, Autonomy, action_from_json, action_json
from vocabulary.errors import ConflictError, NotFound
from vocabulary.incidents import rfc3339

APPROVALS = {Autonomy.ONE_CLICK: 1, Autonomy.APPROVAL: 1, Autonomy.TWO_PEOPLE: 2}
"""How many different people must say yes; who executes a card of A1 says yes by that."""


class Standing(StrEnum):
    """How far a plan has come."""

    PLANNED = "planned"
    EXECUTING = "executing"
    """Begun and not yet recorded; after a crash it becomes `unknown`."""
    EXECUTED = "executed"
    """Done; its check is under way."""
    FAILED = "failed"
    """Not done: the API refused, or was not reached."""
    UNKNOWN = "unknown"
    """Whether it was done is not known; a person must look."""
    CURED = "cured"
    NOT_CURED = "not cured"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, to what, and in which state that was seen."""

    action: Action
    incident: str
    made_by: str
    made_at: float
    expires_at: float
    places: tuple[str, ...]
    """What it touches: `pool/…`, `node/…`."""
    seen: int | None
    """Replicas of the pool that were seen; None where it is about no pool."""
    uid: str
    version: str
    shape: str
    replicas: int | None
    sense: str
    request: str
    """For people; values of environments are hidden."""
    diff: str

    def body(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "action": action_json(self.action),
            "incident": self.incident,
            "made_by": self.made_by,
            "made_at": self.made_at,
            "expires_at": self.expires_at,
            "places": list(self.places),
            "seen": self.seen,
            "uid": self.uid,
            "version": self.version,
            "shape": self.shape,
            "replicas": self.replicas,
            "sense": self.sense,
            "request": self.request,
            "diff": self.diff,
        }

    @property
    def id(self) -> str:
        """The plan's own hash: another plan has another id, and an altered one has none."""
        return hashlib.sha256(canonical(self.body()).encode()).hexdigest()[:16]

    @property
    def needs(self) -> int:
        """How many people must say yes."""
        return APPROVALS[self.action.autonomy]


@dataclass(frozen=True, slots=True)
class Story:
    """A plan and everything that happened to it."""

    plan: Plan
    entries: tuple[Entry, ...]

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who said yes, each once."""
        return tuple(dict.fromkeys(one.who for one in self.entries if one.what == "approved"))

    @property
    def standing(self) -> Standing:
        """How far it has come."""
        last = next((one for one in reversed(self.entries) if one.what in _MOVES), None)
        if last is None:
            return Standing.PLANNED
        return Standing(last.body["outcome"] if last.what == "verified" else last.what)

    @property
    def begun_at(self) -> float | None:
        """When its execution began; None if it did not."""
        return next((one.at for one in self.entries if one.what == "executing"), None)

    def body_of(self, what: str) -> Mapping[str, Any]:
        """What was kept with the last entry of that kind; empty without one."""
        found = (one.body for one in reversed(self.entries) if one.what == what)
        return next(found, {})

    @property
    def under_way(self) -> bool:
        """Whether it is being done or checked."""
        return self.standing in {Standing.EXECUTING, Standing.EXECUTED, Standing.UNKNOWN}


_MOVES = {"executing", "executed", "failed", "unknown", "verified"}


def story(plan_id: str, entries: Sequence[Entry]) -> Story:
    """The plan that *entries* tell of.

    Raises:
        NotFound: There is none with this id.
        ConflictError: It is not what was written: the log was altered.
    """
    first = next((one for one in entries if one.what == "planned"), None)
    if first is None:
        raise NotFound(f"there is no plan {plan_id[:40]!r}; make one with a dry run")
    body = first.body
    plan = Plan(
        action=action_from_json(body["action"]),
        places=tuple(body["places"]),
        **{
            name: body[name]
            for name in (
                "incident", "made_by", "made_at", "expires_at", "seen", "uid", "version", "shape",
                "replicas", "sense", "request", "diff",
            )
        },
    )  # fmt: skip
    if plan.id != plan_id:
        raise ConflictError(f"plan {plan_id} was altered in the log: verify it")
    return Story(plan, tuple(entries))


def story_json(one: Story, now: float) -> dict[str, Any]:
    """A plan and how it stands, as they leave the process."""
    plan = one.plan
    done = one.body_of("executed") or one.body_of("failed") or one.body_of("unknown")
    checked = one.body_of("verified")
    return {
        "plan": plan.id,
        "action": plan.action.id,
        "card": plan.action.card,
        "title": plan.action.title,
        "incident": plan.incident,
        "class": plan.action.call.group.value if plan.action.call else None,
        "autonomy": plan.action.autonomy.value,
        "state": one.standing.value,
        "made_by": plan.made_by,
        "made_at": rfc3339(plan.made_at),
        "expires_at": rfc3339(plan.expires_at),
        "expired": one.standing is Standing.PLANNED and now >= plan.expires_at,
        "made_for": {"replicas_seen": plan.seen, "replicas": plan.replicas, "uid": plan.uid,
                     "resource_version": plan.version},
        "touches": list(plan.places),
        "request": plan.request,
        "diff": plan.diff,
        "precondition": plan.action.precondition,
        "approved_by": list(one.approvers),
        "approvals_needed": plan.needs,
        "executed_at": rfc3339(one.begun_at),
        "answer": done.get("said"),
        "check": checked.get("said"),
    }  # fmt: skip
