"""The tool that explains: an incident in the order in which one reads it, or a word of ours."""

from typing import Any

from pydantic import Field

from service.mcp.fence import Found
from service.mcp.incident_tools import incident
from service.mcp.summary import SummaryEndpoint
from service.mcp.tool import Question, Read, Tool
from vocabulary import failure_modes, signals
from vocabulary.errors import RequestRefused

_MODES = {name: mode for mode in failure_modes.ALL for name in (mode.word, mode.code)}


class About(Question):
    """What to explain."""

    about: str = Field(
        min_length=1, max_length=200,
        description="Id of an incident, a failure mode (engine_stalled, F01), or a signal's name.",
    )  # fmt: skip


def explain_tool(summary: SummaryEndpoint | None) -> Tool:
    """The tool, with summaries where an endpoint is configured."""

    async def explain(asked: About, read: Read) -> Found:
        known = _word(asked.about)
        if known is not None:
            return Found(known)
        if asked.about.isidentifier():  # ids of incidents bear a hyphen
            raise RequestRefused(
                "about", "this is no incident, failure mode or signal; query_signal lists signals"
            )
        one = await incident(read, asked.about)
        shown = _told(one)
        if summary is not None:
            shown["summary"] = await summary.sum_up(one)
        return Found(shown, f"ask get_evidence with incident_id={one['id']}")

    return Tool(
        "explain",
        "Why an incident is thought to be what it is: causes in order with the evidence for and "
        "against each, what changed, the first safe step; or what a failure mode or signal means.",
        About, explain,
    )  # fmt: skip


def _word(name: str) -> dict[str, Any] | None:
    mode = _MODES.get(name)
    if mode is not None:
        return {
            "failure_mode": mode.word,
            "code": mode.code,
            "meaning": mode.title,
            "evidence_family": mode.family,
            "runbook": "".join(part.capitalize() for part in mode.word.split("_")) + ".md",
        }
    signal = signals.BY_NAME.get(name)
    if signal is None:
        return None
    return {"signal": signal.name, "unit": signal.unit, "meaning": signal.meaning}


def _told(one: dict[str, Any]) -> dict[str, Any]:
    """*one* as it is argued: no text here but what the incident holds."""
    evidence = {each["id"]: each for each in one["evidence"]}
    causes = [
        {
            **{name: cause[name] for name in ("failure_mode", "code", "score", "why")},
            "entity": cause["entity"]["name"],
            "evidence": [
                _short(evidence[each]) for each in cause["evidence_ids"] if each in evidence
            ],
        }
        for cause in one["causes"]
    ]
    safe = [card for card in one["actions"] if card["precondition_met"] is not False]
    step = {name: safe[0][name] for name in _STEP} if safe else None
    return {
        **{name: one[name] for name in ("id", "title", "headline", "severity", "state", "since")},
        "impact": one["impact"],
        "causes": causes,
        "against": [_short(each) for each in one["evidence"] if each["speaks_against"]],
        "changes": one["changes"][:10],
        "first_step_for_a_person": step,
        "similar": one["similar"],
        "merged_into": one["merged_into"],
    }


_STEP = ("card", "title", "autonomy", "precondition", "dry_run", "verify", "undo", "risk")


def _short(each: dict[str, Any]) -> dict[str, Any]:
    return {name: each[name] for name in ("id", "signal", "observed", "expected", "unit", "text")}
