"""Tools about incidents: which there are, one of them, and the evidence behind it."""

from typing import Any, Literal

from pydantic import Field

from service.mcp.fence import Found
from service.mcp.tool import Question, Read, Tool

_ID = Field(description="Id of an incident, as list_incidents gives it.", max_length=200)
_HEADLINE = 500
"""Characters of a headline in the list; the whole one is in get_incident."""
_LINES = 20
"""Newest lines of activity that get_incident shows."""


class Which(Question):
    """Which incidents to list."""

    state: Literal["open", "acknowledged", "mitigated", "resolved"] | None = None
    severity: Literal["critical", "warning", "info"] | None = None
    since: str | None = Field(
        None, max_length=40, description="RFC 3339: still going on then or later."
    )
    q: str | None = Field(None, max_length=200, description="Words that must all occur.")
    limit: int = Field(20, ge=1, le=50)
    cursor: str | None = Field(
        None, max_length=300, description="next_cursor of the page before this one."
    )


class One(Question):
    """One incident."""

    incident_id: str = _ID


class Evidence(Question):
    """Which evidence of an incident to show."""

    incident_id: str = _ID
    evidence_ids: list[str] = Field(
        default_factory=list, max_length=50, description="Only these; all when empty."
    )
    offset: int = Field(0, ge=0, le=10_000, description="How many to pass over.")
    limit: int = Field(20, ge=1, le=100)


async def incident(read: Read, incident_id: str) -> dict[str, Any]:
    """The incident as the API has it."""
    found: dict[str, Any] = await read(f"/api/v1/incidents/{_segment(incident_id)}", {})
    return found


async def _list(asked: Which, read: Read) -> Found:
    page = await read("/api/v1/incidents", asked.model_dump(exclude_none=True))
    shown = {
        "incidents": [_row(one) for one in page["incidents"]],
        "next_cursor": page["next_cursor"],
    }
    fewer = max(1, asked.limit // 2)
    return Found(shown, f"ask again with limit={fewer}: next_cursor passes over what was left out")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    cause = one["causes"][0] if one["causes"] else None
    return {
        **{name: one[name] for name in ("id", "code", "failure_mode", "title")},
        "headline": one["headline"][:_HEADLINE],
        **{name: one[name] for name in ("severity", "state", "since", "resolved_at")},
        **{name: one[name] for name in ("pool", "model")},
        "entity": one["entity"]["name"],
        "usd_per_hour": one["impact"]["usd_per_hour"],
        "requests_affected": one["impact"]["requests_affected"],
        "first_cause": cause and {name: cause[name] for name in ("failure_mode", "score")},
    }


async def _get(asked: One, read: Read) -> Found:
    one = await incident(read, asked.incident_id)
    shown = {
        **one,
        "evidence": [{k: e[k] for k in ("id", "signal", "text")} for e in one["evidence"]],
        "activity": one["activity"][-_LINES:],
    }
    return Found(shown, f"ask get_evidence with incident_id={asked.incident_id} and an offset")


async def _evidence(asked: Evidence, read: Read) -> Found:
    one = await incident(read, asked.incident_id)
    wanted = set(asked.evidence_ids)
    matching = [each for each in one["evidence"] if not wanted or each["id"] in wanted]
    shown = {
        "incident_id": one["id"],
        "total": len(matching),
        "offset": asked.offset,
        "evidence": matching[asked.offset : asked.offset + asked.limit],
        "unknown_ids": sorted(wanted - {each["id"] for each in matching}),
    }
    return Found(shown, f"ask again with limit={max(1, asked.limit // 2)} and a higher offset")


def _segment(text: str) -> str:
    """One segment of a path: what is no id finds nothing, and reaches nothing else."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text)


TOOLS = (
    Tool(
        "list_incidents",
        "Incidents of the inference fleet, newest first: what is wrong, since when, whom it hits, "
        "what it costs, and the most likely cause.",
        Which, _list,
    ),
    Tool(
        "get_incident",
        "One incident: impact, causes ranked with the ids of their evidence, what changed, and "
        "the action cards. A card is a proposal for a person; nothing here can carry it out.",
        One, _get,
    ),
    Tool(
        "get_evidence",
        "The evidence of one incident: each signal with what was observed, what was expected, and "
        "the PromQL that shows it. `speaks_against` marks what contradicts.",
        Evidence, _evidence,
    ),
)  # fmt: skip
