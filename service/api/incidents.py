"""Incidents: the list, one of them, and what people do with it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from incidents.desk import MAX_SILENCE_SECONDS
from service.api.parameters import Key, Who, Wired, moment
from service.api.similar import similar_json
from service.api.wiring import Wiring
from service.doors import Caller
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Incident, IncidentState, incident_json

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
Name = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=4000)]


class Act(BaseModel):
    """What every act may carry."""

    model_config = ConfigDict(extra="forbid")
    who: Name = Field(
        default="",
        description="Who acts, where several share a token; the token's name is kept beside it.",
    )

    def by(self, caller: Caller) -> str:
        """The name for the activity line: never without that of the token."""
        return f"{self.who} (via {caller.name})" if self.who else caller.name


class Assign(Act):
    """Whom to give it to."""

    assignee: Name = Field(min_length=1)


class Silence(Act):
    """How long, and why."""

    seconds: float = Field(ge=60, le=MAX_SILENCE_SECONDS, allow_inf_nan=False)
    reason: Text = Field(default="")


class Resolve(Act):
    """What ended it."""

    reason: Text = Field(default="")


class Note(Act):
    """What to remember."""

    text: Text = Field(min_length=1)


@router.get("", summary="List incidents, newest first")
def list_incidents(
    wiring: Wired,
    state: Annotated[IncidentState | None, Query(description="Only in this state.")] = None,
    severity: Annotated[Severity | None, Query(description="Only of this severity.")] = None,
    since: Annotated[
        str | None, Query(description="Still going on at this time or later.", max_length=40)
    ] = None,
    q: Annotated[
        str | None, Query(description="Words that must all occur in it.", max_length=200)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before.", max_length=300)
    ] = None,
) -> dict[str, Any]:
    """One page of incidents; `next_cursor` is null at the end."""
    since_at = moment(since, "since")
    page, after = wiring.desk.list(state, severity, since_at, q or None, limit, cursor or None)
    return {"incidents": [incident_json(one) for one in page], "next_cursor": after}


@router.get("/{incident_id}", summary="One incident with its evidence")
def get_incident(wiring: Wired, incident_id: str) -> dict[str, Any]:
    """The whole incident; a merged one says into which in `merged_into`.

    `similar` lists incidents of the past that are like it, how they ended, and approved cards;
    `execution` says of each action how it stands.
    """
    one = wiring.desk.get(incident_id)
    return {
        **incident_json(one),
        "similar": similar_json(wiring.desk, one),
        "execution": _execution(wiring, one),
    }


def _execution(wiring: Wiring, one: Incident) -> dict[str, Any]:
    """By action: why it cannot be executed here, and its plans, the newest first."""
    executor = wiring.execution
    if executor is None:
        return {}
    return {
        action.id: {"why_not": executor.why_not(action), "plans": executor.plans_of(action)}
        for action in one.actions
    }


@router.post("/{incident_id}/ack", summary="Acknowledge: somebody is looking at it")
def acknowledge(
    wiring: Wired, caller: Who, key: Key, incident_id: str, act: Act | None = None
) -> dict[str, Any]:
    """The incident as it is afterwards."""
    who = (act or Act()).by(caller)
    return incident_json(wiring.desk.acknowledge(incident_id, who, idempotency_key=key))


@router.post("/{incident_id}/assign", summary="Give it to somebody")
def assign(wiring: Wired, caller: Who, key: Key, incident_id: str, act: Assign) -> dict[str, Any]:
    """The incident as it is afterwards."""
    return incident_json(
        wiring.desk.assign(incident_id, act.by(caller), act.assignee, idempotency_key=key)
    )


@router.post("/{incident_id}/silence", summary="Stop its notifications for a while")
def silence(wiring: Wired, caller: Who, key: Key, incident_id: str, act: Silence) -> dict[str, Any]:
    """The incident as it is afterwards."""
    who = act.by(caller)
    return incident_json(
        wiring.desk.silence(incident_id, who, act.seconds, act.reason, idempotency_key=key)
    )


@router.post("/{incident_id}/resolve", summary="Close it by hand")
def resolve(
    wiring: Wired, caller: Who, key: Key, incident_id: str, act: Resolve | None = None
) -> dict[str, Any]:
    """The incident as it is afterwards."""
    act = act or Resolve()
    return incident_json(
        wiring.desk.resolve(incident_id, act.by(caller), act.reason, idempotency_key=key)
    )


@router.post("/{incident_id}/note", summary="Write a line into its activity")
def note(wiring: Wired, caller: Who, key: Key, incident_id: str, act: Note) -> dict[str, Any]:
    """The incident as it is afterwards."""
    return incident_json(
        wiring.desk.note(incident_id, act.by(caller), act.text, idempotency_key=key)
    )
