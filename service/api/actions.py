"""Action cards: what they would do, who has said yes; nothing here executes."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from incidents.similar import APPROVED
from service.api.parameters import Key, Who, Wired
from service.api.problems import Refused
from service.api.wiring import IncidentDesk
from vocabulary.actions import Action, Autonomy, action_json
from vocabulary.errors import NotFound
from vocabulary.incidents import Incident

router = APIRouter(prefix="/api/v1/actions", tags=["actions"])
_PAGES = 20
"""Pages of 500 incidents that are searched for an action."""


@router.post("/{action_id:path}/dry-run", summary="What it would do")
def dry_run(wiring: Wired, action_id: str) -> dict[str, Any]:
    """The plan, with the command that shows its effect without having it."""
    incident, action = _find(wiring.desk, action_id)
    return {"incident": incident.id, "executed": False, **action_json(action)}


@router.post("/{action_id:path}/approve", summary="Say yes to it")
def approve(wiring: Wired, caller: Who, key: Key, action_id: str) -> dict[str, Any]:
    """Record the approval in the incident's activity, under the token's own name."""
    incident, action = _find(wiring.desk, action_id)
    if caller.name not in _approvers(incident, action):
        incident = wiring.desk.note(incident.id, caller.name, _line(action), idempotency_key=key)
    approvers = _approvers(incident, action)
    needed = 2 if action.autonomy is Autonomy.TWO_PEOPLE else 1
    return {
        "incident": incident.id,
        "action": action.id,
        "approved_by": approvers,
        "approvals_needed": needed,
        "approved": len(approvers) >= needed,
    }


@router.post("/{action_id:path}/execute", summary="Not built: a person runs the command")
def execute(wiring: Wired, action_id: str) -> dict[str, Any]:
    """Answers 403 always, with the command to run by hand."""
    _, action = _find(wiring.desk, action_id)
    raise Refused(
        "not_built",
        "execution is not built: run the command yourself, with the dry run first",
        command=action.command,
        dry_run=action.dry_run,
    )


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


def _all(desk: IncidentDesk) -> Iterator[Incident]:
    cursor = None
    for _ in range(_PAGES):
        page, cursor = desk.list(None, None, None, None, 500, cursor)
        yield from page
        if cursor is None:
            return
