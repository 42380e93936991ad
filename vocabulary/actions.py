"""Plans as data: what could be done, what it would do, how to tell that it worked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ActionClass(StrEnum):
    """What an action writes to: each class has a credential of its own, and no right beyond it."""

    PODS = "pods"
    """Evict or label one pod."""
    SCALE = "scale"
    """Set the replicas of a Deployment."""
    ROLLOUTS = "rollouts"
    """Change, pause or take back what a Deployment runs."""
    NODES = "nodes"
    """Cordon or label a node."""
    AUTOSCALERS = "autoscalers"
    """Change how a HorizontalPodAutoscaler behaves."""


class Verb(StrEnum):
    """How one call changes its object."""

    EVICT = "evict"
    """End a pod, where its disruption budget lets it."""
    MERGE = "merge"
    """JSON merge patch (RFC 7386)."""
    PATCH = "patch"
    """JSON patch (RFC 6902)."""
    UNDO = "undo"
    """Give a Deployment the pod template of its former revision, as `kubectl rollout undo` does."""


@dataclass(frozen=True, slots=True)
class Call:
    """The one write to the Kubernetes API that a command amounts to. Saying it is not doing it."""

    group: ActionClass
    verb: Verb
    kind: str
    """In the plural, with its subresource, as RBAC calls it: `pods`, `deployments/scale`."""
    name: str
    namespace: str = ""
    """Empty for a node."""
    patch: str = ""
    """JSON; empty where the verb needs none."""
    uid: str = ""
    """Of the object that is meant, where it is known: another one of the same name is not."""
    replicas: int | None = None
    """How many the Deployment must have when it is done; None where that does not matter."""


class Goal(StrEnum):
    """What must be seen for an action to count as having helped."""

    SHOWN = "shown"
    """The object itself says what was asked of it; no signal is looked at."""
    ABOVE = "above"
    """Every row above the bound."""
    AT_MOST = "at most"
    """No row above the bound."""
    REPLACED = "replaced"
    """A row that was not there before is above the bound."""
    FALLS = "falls"
    """The sum is at most the bound times what it was when it was done."""
    NOT_LOWER = "not lower"
    """The sum is not below what it was when it was done."""
    NOT_HIGHER = "not higher"
    """No row is above the highest of when it was done."""
    AS_BEFORE = "as before"
    """The mean is at most this share (the bound) above what it was before the incident began."""


@dataclass(frozen=True, slots=True)
class Check:
    """The same that `Action.verify` says to a person, for a program to ask."""

    goal: Goal
    minutes: float
    """By when."""
    signal: str = ""
    """Its name in vocabulary/signals.py; empty for SHOWN."""
    label: str = ""
    name: str = ""
    """Only rows whose *label* is *name*."""
    bound: float = 0.0
    lasting: bool = False
    """True where it must hold until the time is up, not only once."""


class Autonomy(StrEnum):
    """How many people must say yes."""

    ONE_CLICK = "A1"
    APPROVAL = "A2"
    TWO_PEOPLE = "A3"


@dataclass(frozen=True, slots=True)
class Action:
    """One remediation proposed for one incident. Nothing here acts."""

    id: str
    """Deterministic: incident id and card."""
    card: str
    """`R01`…`R25`."""
    title: str
    autonomy: Autonomy
    precondition: str
    """What must be true first, with what was seen: `leaves 3 of 4 replicas`."""
    command: str
    """Exactly what to type or call."""
    dry_run: str
    """How to see what it would do; says so where no dry run exists."""
    verify: str
    """What to watch afterwards, with a deadline."""
    undo: str
    risk: str
    """Blast radius in words."""
    met: bool | None = None
    """Whether the precondition holds now; None when it cannot be told from here."""
    call: Call | None = None
    """What an executor would write; None where only a person can do it."""
    check: Check | None = None
    """What would be asked afterwards; None where no signal tells."""


def action_json(action: Action) -> dict[str, Any]:
    """An action card as it leaves the process."""
    return {
        "id": action.id,
        "card": action.card,
        "title": action.title,
        "autonomy": action.autonomy.value,
        "precondition": action.precondition,
        "precondition_met": action.met,
        "command": action.command,
        "dry_run": action.dry_run,
        "verify": action.verify,
        "undo": action.undo,
        "risk": action.risk,
        "call": None if action.call is None else call_json(action.call),
        "check": None if action.check is None else check_json(action.check),
    }


def action_from_json(body: Mapping[str, Any]) -> Action:
    """The reverse of action_json; earlier versions knew neither call nor check.

    Raises:
        KeyError, TypeError, ValueError: The body is not one that action_json wrote.
    """
    call, check = body.get("call"), body.get("check")
    return Action(
        id=body["id"],
        card=body["card"],
        title=body["title"],
        autonomy=Autonomy(body["autonomy"]),
        precondition=body["precondition"],
        command=body["command"],
        dry_run=body["dry_run"],
        verify=body["verify"],
        undo=body["undo"],
        risk=body["risk"],
        met=body["precondition_met"],
        call=None if call is None else call_from_json(call),
        check=None if check is None else check_from_json(check),
    )


def call_json(call: Call) -> dict[str, Any]:
    """A call as it is kept and leaves the process."""
    return {
        "class": call.group.value,
        "verb": call.verb.value,
        "kind": call.kind,
        "namespace": call.namespace,
        "name": call.name,
        "patch": call.patch,
        "uid": call.uid,
        "replicas": call.replicas,
    }


def call_from_json(body: Mapping[str, Any]) -> Call:
    """The reverse of call_json.

    Raises:
        KeyError, ValueError: The body is not one that call_json wrote.
    """
    return Call(
        ActionClass(body["class"]),
        Verb(body["verb"]),
        body["kind"],
        body["name"],
        body["namespace"],
        body["patch"],
        body["uid"],
        body["replicas"],
    )


def check_json(check: Check) -> dict[str, Any]:
    """A check as it is kept and leaves the process."""
    return {**asdict(check), "goal": check.goal.value}


def check_from_json(body: Mapping[str, Any]) -> Check:
    """The reverse of check_json.

    Raises:
        KeyError, TypeError, ValueError: The body is not one that check_json wrote.
    """
    return Check(**{**body, "goal": Goal(body["goal"])})
