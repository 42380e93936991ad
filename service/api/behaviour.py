"""What moved first and most: the live engine's evidence, alone or around one incident."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.api.parameters import Wired, moment
from service.api.problems import Refused
from vocabulary.incidents import Incident, rfc3339

router = APIRouter(prefix="/api/v1", tags=["incidents"])

BEFORE_SECONDS = 900.0
"""How long before an incident a move may have begun and still belong to it: detectors look
through windows of up to five minutes and wait for another few; our judgement."""
LOOKBACK_SECONDS = 3600.0
MOST = 500


@router.get("/behaviour", summary="Signals that left their usual, the first to move first")
def behaviour(
    wiring: Wired,
    incident: Annotated[
        str | None, Query(description="Only around this incident.", max_length=80)
    ] = None,
    start: Annotated[
        str | None, Query(alias="from", description="Start; an hour before `to`.", max_length=40)
    ] = None,
    to: Annotated[str | None, Query(description="End; now.", max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Most moves.")] = 100,
) -> dict[str, Any]:
    """Moves of a span in the order they began, and how the budget of statements is kept.

    A score is about -log10 of a chance, by what the series itself and its kin have shown.
    """
    about = wiring.desk.get(incident) if incident else None
    last = moment(to, "to") or (about and about.resolved_at) or wiring.clock.now()
    first = moment(start, "from")
    if first is None:
        first = about.since - BEFORE_SECONDS if about else last - LOOKBACK_SECONDS
    if first >= last:
        raise Refused("time", "from must lie before to")
    told = dict(wiring.behaviour(first, last))
    moves = [one for one in told["moves"] if about is None or _concerns(one, about)]
    return {**told, "from": rfc3339(first), "to": rfc3339(last), "moves": moves[:limit]}


def _concerns(move: dict[str, Any], incident: Incident) -> bool:
    """Of one of its things, or of the pool or the model that it hits."""
    if move["entity"] in {str(incident.entity), *map(str, incident.entities)}:
        return True
    if move["pool"]:
        return bool(move["pool"] == incident.pool)
    return bool(move["model"]) and bool(move["model"] == incident.model)
