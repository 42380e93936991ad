"""What a shift works with: maintenance windows, and the hand-over to the next one."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from incidents.maintenance import MaintenanceBook, Wish, covering, window_json
from service.api.fleet import told_changes
from service.api.parameters import Key, Who, Wired, entity, moment
from service.api.problems import Refused
from service.api.wiring import Wiring
from service.handover import SHIFT_SECONDS, markdown, open_and_ended, owed, silenced
from store.maintenance import Window
from vocabulary.entities import Replica
from vocabulary.incidents import rfc3339

router = APIRouter(prefix="/api/v1", tags=["shifts"])
Place = Annotated[str, Field(max_length=400)]


class Where(BaseModel):
    """All that is given must fit a finding."""

    model_config = ConfigDict(extra="forbid")
    entity: Place = Field(default="", description="`kind/id`.")
    pool: Place = Field(default="", description="`namespace/name`.")
    node: Place = ""
    failure_mode: Place = Field(default="", description="Its word, as `engine_stalled`.")


class Planned(BaseModel):
    """A window: where, from when, how long, and why."""

    model_config = ConfigDict(extra="forbid")
    scope: Where
    seconds: float = Field(ge=60, allow_inf_nan=False)
    starts_at: str | None = Field(default=None, max_length=40, description="Now when absent.")
    reason: str = Field(default="", max_length=500)
    who: str = Field(default="", max_length=200)


@router.get("/maintenance", summary="Maintenance windows, the next to begin first")
def list_windows(
    wiring: Wired,
    since: Annotated[
        str | None, Query(max_length=40, description="Those not over then; now when absent.")
    ] = None,
) -> dict[str, Any]:
    """Within one, findings are recorded and nobody is told of them."""
    now = wiring.clock.now()
    at = moment(since, "since")
    book = wiring.maintenance
    found = book.listed(now if at is None else at) if book else []
    return {"maintenance": [window_json(one, now) for one in found]}


@router.post("/maintenance/preview", summary="What a window would cover; nothing is kept")
def preview(wiring: Wired, caller: Who, planned: Planned) -> dict[str, Any]:
    """Replicas inside, and incidents that go on there: who was told of one stays told."""
    now = wiring.clock.now()
    window = _book(wiring).wanted(_wish(planned, now), caller.name, now)
    replicas = wiring.scene().replicas
    inside = _inside(window, replicas)
    return {
        "window": window_json(window, now),
        "replicas": [one.entity.label for one in inside][:200],
        "replicas_inside": len(inside),
        "replicas_known": len(replicas),
        "incidents": [one.id for one in wiring.hushed(window)],
    }


@router.post("/maintenance", summary="Open a maintenance window")
def open_window(wiring: Wired, caller: Who, key: Key, planned: Planned) -> dict[str, Any]:
    """The window; it ends by itself."""
    now = wiring.clock.now()
    who = f"{planned.who} (via {caller.name})" if planned.who else caller.name
    window = _book(wiring).open(_wish(planned, now), who, now, key)
    return window_json(window, now)


@router.post("/maintenance/{window_id}/end", summary="End a window before its time")
def end_window(wiring: Wired, caller: Who, window_id: str) -> dict[str, Any]:
    """The window as it is afterwards; what goes on in it is told from the next tick on."""
    now = wiring.clock.now()
    return window_json(_book(wiring).end(window_id, caller.name, now), now)


@router.get("/handover", summary="What the next shift must know", response_model=None)
def handover(
    wiring: Wired,
    since: Annotated[
        str | None, Query(max_length=40, description="Start of the shift; 8 h ago when absent.")
    ] = None,
    format_: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json",
) -> dict[str, Any] | Response:
    """Open and ended incidents, changes with verdicts, what is kept quiet, and what is owed."""
    now = wiring.clock.now()
    start = moment(since, "since")
    start = now - SHIFT_SECONDS if start is None else start
    incidents, _ = wiring.desk.list(None, None, start, None, 500, None)
    silences = wiring.silences(now)
    windows = wiring.maintenance.listed(now) if wiring.maintenance else []
    acts = [one for one in reversed(wiring.scene().changes) if one.at >= start]
    told = {
        "from": rfc3339(start),
        "to": rfc3339(now),
        **open_and_ended(incidents, start),
        "changes": told_changes(wiring, acts[:200]),
        "silenced": silenced(silences),
        "maintenance": [window_json(one, now) for one in windows],
        "owed": owed(incidents, silences, windows, wiring.info().problems, start, now),
    }
    if format_ == "markdown":
        return Response(markdown(told), media_type="text/markdown; charset=utf-8")
    return told


def _book(wiring: Wiring) -> MaintenanceBook:
    if wiring.maintenance is None:
        raise Refused("not_built", "this server keeps no maintenance windows")
    return wiring.maintenance


def _wish(planned: Planned, now: float) -> Wish:
    scope = planned.scope
    if scope.entity:
        entity(scope.entity)
    at = moment(planned.starts_at, "starts_at")
    places = (scope.entity, scope.pool, scope.node, scope.failure_mode)
    return Wish(now if at is None else at, planned.seconds, planned.reason, *places)


def _inside(window: Window, replicas: Sequence[Replica]) -> list[Replica]:
    return [
        one
        for one in replicas
        if covering(
            [window],
            "",
            str(one.entity),
            (f"pool/{one.pool}", f"node/{one.node}", *(f"gpu/{gpu}" for gpu in one.gpus)),
        )
    ]
