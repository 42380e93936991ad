"""Action cards: what they would do, who has said yes, and doing it where that is switched on."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from incidents.similar import APPROVED
from service.api.parameters import Key, Who, Wired
from service.api.problems import Refused
from service.api.wiring import IncidentDesk, Wiring
from service.execution.executor import Executor
from vocabulary.actions import Action, Autonomy, action_json
from vocabulary.errors import ConflictError, NotFound
from vocabulary.incidents import Incident, IncidentState, rfc3339

router = APIRouter(prefix="/api/v1/actions", tags=["actions"])
_PAGES = 20
"""Pages of 500 incidents that are searched for an action."""
_OFF = "execution is switched off: run the command yourself, with the dry run first"


class Chosen(BaseModel):
    """Which plan is meant: what people say yes to is one plan, and not a card."""

    model_config = ConfigDict(extra="forbid")
    plan: str = Field(default="", max_length=64, description="Id of a plan, as a dry run gives it.")


@router.get("", summary="Action cards of incidents that go on, and how they stand")
def list_actions(wiring: Wired) -> dict[str, Any]:
    """Every card, best first in each incident; `why_not` says why it cannot be executed here."""
    found = []
    for state in IncidentState:
        if state is not IncidentState.RESOLVED:
            for one in _all(wiring.desk, state):
                found += [_told(wiring, one, action) for action in one.actions]
    return {"actions": found}


@router.get("/audit", summary="What was planned, approved, refused and done, with its hashes")
def audit(
    wiring: Wired,
    after: Annotated[int, Query(ge=0, le=2**53, description="Entries behind this number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 200,
) -> dict[str, Any]:
    """Entries oldest first; `told` is how many the incidents' own histories tell of."""
    if wiring.execution is None:
        return {"entries": [], "told": 0}
    actions = wiring.execution.world.records.actions
    entries = [
        {"sequence": one.sequence, "at": one.at, "time": rfc3339(one.at), "who": one.who,
         "what": one.what, "plan": one.plan, "action": one.action, "incident": one.incident,
         "body": one.body, "hash": one.hash}
        for one in actions.page(after, limit)
    ]  # fmt: skip
    return {"entries": entries, "told": actions.lines_told()}


@router.get("/{action_id:path}", summary="One action card, and every plan made for it")
def get_action(wiring: Wired, action_id: str) -> dict[str, Any]:
    """The card, whether it can be executed here, and its plans, the newest first."""
    return _told(wiring, *_find(wiring.desk, action_id))


@router.post("/{action_id:path}/dry-run", summary="What it would do")
def dry_run(wiring: Wired, caller: Who, action_id: str) -> dict[str, Any]:
    """The card; where it can be executed here, a new `plan` that the API server has tried."""
    incident, action = _find(wiring.desk, action_id)
    told = {"incident": incident.id, "executed": False, **action_json(action)}
    why = _why_not(wiring, action)
    if why:
        return {**told, "plan": None, "why_not": why}
    plan = _executor(wiring).plan(incident, action, caller)
    return {**told, "plan": plan, "why_not": ""}


@router.post("/{action_id:path}/approve", summary="Say yes to it")
def approve(
    wiring: Wired, caller: Who, key: Key, action_id: str, chosen: Chosen | None = None
) -> dict[str, Any]:
    """Record the approval under the token's own name: of one plan where plans are executed."""
    incident, action = _find(wiring.desk, action_id)
    if _why_not(wiring, action):
        return _noted(wiring, incident, action, caller.name, key)
    plan = _plan_id(wiring, action, chosen)
    told = _executor(wiring).approve(plan, caller)
    return {**told, "approved": len(told["approved_by"]) >= told["approvals_needed"]}


@router.post("/{action_id:path}/execute", summary="Do it, once, if every guard lets it")
def execute(
    wiring: Wired, caller: Who, action_id: str, chosen: Chosen | None = None
) -> dict[str, Any]:
    """What became of the plan; the same plan again is not done again. 403 where it is not built."""
    _, action = _find(wiring.desk, action_id)
    why = _why_not(wiring, action)
    if why:
        raise Refused("not_here", why, command=action.command, dry_run=action.dry_run)
    return _executor(wiring).execute(_plan_id(wiring, action, chosen), caller)


def _executor(wiring: Wiring) -> Executor:
    if wiring.execution is None:
        raise Refused("not_here", _OFF)
    return wiring.execution


def _why_not(wiring: Wiring, action: Action) -> str:
    return _OFF if wiring.execution is None else wiring.execution.why_not(action)


def _plan_id(wiring: Wiring, action: Action, chosen: Chosen | None) -> str:
    """The plan that is meant, if it is one of *action*."""
    if chosen is None or not chosen.plan:
        raise Refused("plan", "name the plan that a dry run gave: what you say yes to is one plan")
    known = _executor(wiring).world.records.actions.plans_of(action.id)
    if chosen.plan not in known:
        raise ConflictError(f"{chosen.plan!r} is no plan of {action.id}; make one with a dry run")
    return chosen.plan


def _told(wiring: Wiring, incident: Incident, action: Action) -> dict[str, Any]:
    plans = [] if wiring.execution is None else wiring.execution.plans_of(action)
    why = _why_not(wiring, action)
    return {"incident": incident.id, **action_json(action), "why_not": why, "plans": plans}


def _noted(
    wiring: Wiring, incident: Incident, action: Action, who: str, key: str | None
) -> dict[str, Any]:
    """An approval for a person who will run the command: a line in the incident's activity."""
    if who not in _approvers(incident, action):
        incident = wiring.desk.note(incident.id, who, _line(action), idempotency_key=key)
    approvers = _approvers(incident, action)
    needed = 2 if action.autonomy is Autonomy.TWO_PEOPLE else 1
    return {
        "incident": incident.id,
        "action": action.id,
        "approved_by": approvers,
        "approvals_needed": needed,
        "approved": len(approvers) >= needed,
    }


def _line(action: Action) -> str:
    return f"{APPROVED} {action.card} ({action.id})"


def _approvers(incident: Incident, action: Action) -> list[str]:
    wanted = _line(action)
    names = [line.who for line in incident.activity if line.text == wanted]
    return list(dict.fromkeys(names))


def _find(desk: IncidentDesk, action_id: str) -> tuple[Incident, Action]:
    for incident in _all(desk):
        for action in incident.actions:
            if action.id == action_id:
                return desk.get(incident.id), action
    raise NotFound(f"no action {action_id[:100]!r} belongs to any incident")


def _all(desk: IncidentDesk, state: IncidentState | None = None) -> Iterator[Incident]:
    cursor = None
    for _ in range(_PAGES):
        page, cursor = desk.list(state, None, None, None, 500, cursor)
        yield from page
        if cursor is None:
            return
