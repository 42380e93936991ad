"""Tools about the fleet: how it hangs together, what was changed, and how a signal ran."""

from collections import defaultdict
from typing import Any

from pydantic import Field

from service.mcp.fence import Found
from service.mcp.incident_tools import incident
from service.mcp.tool import Question, Read, Tool

POINTS = 60
"""Points of one series in an answer; a model sees a course in them, and they fit."""
SERIES = 20
"""Series of one answer, those with the highest peaks."""
_CALM = frozenset({"serving", "idle"})
_MOMENT = 40


class Around(Question):
    """Which part of the fleet."""

    pool: str | None = Field(None, max_length=400, description="Only this pool and its parts.")
    troubled: bool = Field(False, description="Only what has an incident or is not well.")


class Changes(Question):
    """Which changes."""

    incident_id: str | None = Field(
        None, max_length=200, description="Those near this incident, with their offset in seconds."
    )
    start: str | None = Field(None, alias="from", max_length=_MOMENT, description="RFC 3339.")
    to: str | None = Field(None, max_length=_MOMENT, description="RFC 3339.")
    kind: str | None = Field(None, max_length=200, description="By commas: rollout,config,…")
    pool: str | None = Field(None, max_length=400)
    entity: str | None = Field(None, max_length=400, description="kind/id")
    limit: int = Field(30, ge=1, le=200)


class Course(Question):
    """Which signal, of what, when."""

    signal: str = Field("", max_length=200, description="Name of a signal; empty lists them all.")
    entity: str | None = Field(None, max_length=400, description="kind/id, as pool/prod/chat.")
    start: str | None = Field(
        None, alias="from", max_length=_MOMENT, description="RFC 3339; an hour before `to`."
    )
    to: str | None = Field(None, max_length=_MOMENT, description="RFC 3339; now when absent.")
    step: float | None = Field(None, ge=1, le=86_400, description="Seconds between points.")


async def _topology(asked: Around, read: Read) -> Found:
    whole = await read("/api/v1/topology", {})
    kept = {f"{one['kind']}/{one['id']}": one for one in whole["nodes"]}
    if asked.pool is not None:
        near = _near(f"pool/{asked.pool}", whole["edges"])
        kept = {name: one for name, one in kept.items() if name in near}
    if asked.troubled:
        kept = {name: one for name, one in kept.items() if _unwell(one)}
    edges = [one for one in whole["edges"] if one["from"] in kept and one["to"] in kept]
    shown = {
        "as_of": whole["as_of"],
        "total_nodes": len(whole["nodes"]),
        "nodes": list(kept.values()),
        "edges": [[one["from"], one["to"]] for one in edges],
    }
    return Found(shown, "ask for one pool, or with troubled=true")


def _near(name: str, edges: list[dict[str, str]]) -> set[str]:
    """*name*, who asks it, and everything it runs on."""
    below = defaultdict(list)
    for one in edges:
        below[one["from"]].append(one["to"])
    found, open_ends = {name}, [name]
    while open_ends:
        new = [one for one in below[open_ends.pop()] if one not in found]
        found.update(new)
        open_ends += new
    return found | {one["from"] for one in edges if one["to"] == name}


def _unwell(node: dict[str, Any]) -> bool:
    return bool(node.get("incidents")) or node.get("state", "serving") not in _CALM


async def _changes(asked: Changes, read: Read) -> Found:
    ask = "ask for a shorter time, one pool, one kind, or a lower limit"
    if asked.incident_id is not None:
        one = await incident(read, asked.incident_id)
        changes = await with_verdicts(one, read)
        shown = {"incident_id": one["id"], "since": one["since"], "changes": changes}
        return Found(shown, ask)
    query = asked.model_dump(by_alias=True, exclude_none=True, exclude={"incident_id"})
    return Found(await read("/api/v1/changes", query), ask)


async def with_verdicts(one: dict[str, Any], read: Read) -> list[dict[str, Any]]:
    """The changes near an incident, each with what it did to its pool at equal load."""
    changes: list[dict[str, Any]] = one["changes"]
    if not changes:
        return changes
    asked = {"from": min(each["at"] for each in changes), "limit": 1000}
    feed = (await read("/api/v1/changes", asked))["changes"]
    told = {_happening(each): each["verdict"] for each in feed}
    return [{**each, "verdict": told.get(_happening(each))} for each in changes]


def _happening(change: dict[str, Any]) -> tuple[str, ...]:
    return (change["at"], change["kind"], change["entity"]["id"], change["what"])


async def _course(asked: Course, read: Read) -> Found:
    if not asked.signal:
        known = (await read("/api/v1/signals", {}))["signals"]
        names = [{name: one[name] for name in ("name", "unit", "meaning")} for one in known]
        return Found({"signals": names}, "ask for a signal by its name; explain tells of one")
    query = asked.model_dump(by_alias=True, exclude_none=True)
    told = await read("/api/v1/series", query)
    rows = sorted(told["series"], key=lambda one: -_peak(one["values"]))
    shown = {
        **{name: told[name] for name in ("signal", "unit", "meaning", "promql")},
        "series": [_row(told["times"], one) for one in rows[:SERIES]],
        "series_left_out": told["left_out"] + max(0, len(rows) - SERIES),
    }
    return Found(shown, "ask for one entity, or a shorter time")


def _peak(values: list[float | None]) -> float:
    return max((value for value in values if value is not None), default=float("-inf"))


def _row(times: list[str], one: dict[str, Any]) -> dict[str, Any]:
    """A series with its extremes, and points of which each is a run's lowest and highest."""
    pairs = [(at, v) for at, v in zip(times, one["values"], strict=True) if v is not None]
    known = [value for _, value in pairs]
    run = max(1, -(-len(pairs) // POINTS))
    parts = [pairs[begin : begin + run] for begin in range(0, len(pairs), run)]
    return {
        "labels": one["labels"],
        "measured": len(known),
        "lowest": min(known, default=None),
        "highest": max(known, default=None),
        "last": known[-1] if known else None,
        "points": [[p[0][0], min(v for _, v in p), max(v for _, v in p)] for p in parts],
    }


TOOLS = (
    Tool(
        "get_topology",
        "Who asks, what serves, on which hardware: nodes with state and counts of incidents, and "
        "edges from tenant to pool to replica to GPU to node. `blind` means not known.",
        Around, _topology,
    ),
    Tool(
        "what_changed",
        "Rollouts, configuration, scaling, drivers and prices, newest first; near an incident, "
        "each with its offset from the onset (negative is before). `verdict` says what a rollout "
        "or an act on a node did to its pools at equal load, and whether scaling helped: better, "
        "worse, no_difference or cannot_tell_yet.",
        Changes, _changes,
    ),
    Tool(
        "query_signal",
        "One signal over time, with its unit and PromQL. A point is [time, lowest, highest] of "
        "its part of the time; unknown is left out and is not zero.",
        Course, _course,
    ),
)  # fmt: skip
