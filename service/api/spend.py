"""Usage and budgets, as the ledger has them."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.api.parameters import Wired, moment
from service.api.problems import Refused
from vocabulary.incidents import rfc3339

router = APIRouter(prefix="/api/v1", tags=["money"])
_DIMENSION = re.compile(r"[a-z_]+(,[a-z_]+)*")


@router.get("/usage", summary="Used and priced tokens of a period")
def usage(
    wiring: Wired,
    start: Annotated[
        str | None, Query(alias="from", description="Start; a day before `to`.", max_length=40)
    ] = None,
    to: Annotated[str | None, Query(description="End, not included; now.", max_length=40)] = None,
    by: Annotated[
        str | None, Query(description="Group by tenant, model or pool.", max_length=60)
    ] = None,
) -> dict[str, Any]:
    """Money as decimal strings; unknown is null, and unpriced is not free."""
    first, last = _period(wiring, start, to)
    if by is not None and not _DIMENSION.fullmatch(by):
        raise Refused("by", "group by one or more of tenant, model, pool, separated by commas")
    rows = [dict(row) for row in wiring.usage(first, last, by)]
    return {"from": rfc3339(first), "to": rfc3339(last), "usage": rows}


@router.get("/usage/runs", summary="What runs of agents used, those with most tokens first")
def agent_runs(
    wiring: Wired,
    start: Annotated[
        str | None, Query(alias="from", description="Start; a day before `to`.", max_length=40)
    ] = None,
    to: Annotated[str | None, Query(description="End, not included; now.", max_length=40)] = None,
) -> dict[str, Any]:
    """A run is a conversation, or a trace where no conversation is told."""
    first, last = _period(wiring, start, to)
    rows = [dict(row) for row in wiring.runs(first, last)]
    return {"from": rfc3339(first), "to": rfc3339(last), "runs": rows}


def _period(wiring: Wired, start: str | None, to: str | None) -> tuple[float, float]:
    last = moment(to, "to")
    last = wiring.clock.now() if last is None else last
    first = moment(start, "from")
    first = max(0.0, last - 86_400.0) if first is None else first
    if first >= last:
        raise Refused("time", "from must lie before to")
    return first, last


@router.get("/budgets", summary="Budgets and how fast they burn")
def budgets(wiring: Wired) -> dict[str, Any]:
    """Every budget with what is spent of it."""
    return {"budgets": [dict(row) for row in wiring.budgets()]}
