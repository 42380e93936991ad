"""An incident as a Markdown report: what a person pastes into a ticket."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.markdown_text import code, figure, text


def markdown(
    incident: Mapping[str, Any],
    changes: Sequence[Mapping[str, Any]],
    similar: Sequence[Mapping[str, Any]],
) -> str:
    """The report of one incident as the API gives it; *changes* bear verdicts if they have any."""
    parts = [
        *_head(incident),
        *_why(incident),
        *_changed(changes),
        *_similar(similar),
        *_what_to_do(incident),
        *_history(incident),
    ]
    return "\n".join(parts) + "\n"


def _head(incident: Mapping[str, Any]) -> list[str]:
    impact = incident["impact"]
    return [
        f"# {text(incident['title'])}",
        "",
        text(incident["headline"]),
        "",
        f"- Incident: {code(incident['id'])} ({text(incident['code'])})",
        f"- Severity: {text(incident['severity'])}; state: {text(incident['state'])}",
        f"- Since: {text(incident['since'])}; opened: {text(incident['opened_at'])}",
        f"- Resolved: {text(incident['resolved_at'] or 'not yet')}",
        f"- Entity: {text(incident['entity']['kind'])} {code(incident['entity']['name'])}",
        f"- Requests affected: {figure(impact['requests_affected'])}",
        f"- Tenants hit: {_tenants(impact.get('tenants_hit'))}",
        f"- Tokens lost: {figure(impact['tokens_lost'])}",
        f"- Burning: {figure(impact['usd_per_hour'], 'USD/h')}",
        f"- Error budget: {figure(impact['slo_burn'], 'times its sustainable pace')}",
        f"- Burnt since the onset: {_of_month(impact.get('slo_budget_burnt'))}",
        f"- How the figures came about: {text(impact['basis'])}",
        *([f"- If nothing is done: {text(impact['forecast'])}"] if impact.get("forecast") else []),
    ]


def _tenants(hit: Sequence[str] | None) -> str:
    return figure(None) if hit is None else text(f"{len(hit)} {', '.join(hit)}")


def _of_month(share: float | None) -> str:
    return figure(None) if share is None else f"{share:.2%} of a month's error budget"


def _why(incident: Mapping[str, Any]) -> list[str]:
    lines = ["", "## Why we think so", ""]
    lines += [
        f"{place}. {text(cause['failure_mode'])} on {code(cause['entity']['name'])}"
        f" ({cause['score']:.2f}): {text(cause['why'])}"
        for place, cause in enumerate(incident["causes"], 1)
    ]
    lines += ["", "## Evidence", "", "| signal | observed | expected | says |", "|---|---|---|---|"]
    lines += [
        f"| {text(one['signal'])} | {figure(one['observed'], one['unit'])}"
        f" | {figure(one['expected'], one['unit'])} | {text(one['text'])} |"
        for one in incident["evidence"]
    ]
    return lines


def _changed(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["", "## What changed", ""]
    for change in changes:
        said = f"- {change['offset_seconds']:+.0f} s: {text(change['kind'])} {text(change['what'])}"
        verdict = change.get("verdict")
        if verdict:
            said += f": {text(verdict['word'].replace('_', ' '))}, {text(verdict['text'])}"
        lines.append(said)
    return lines if changes else [*lines, "Nothing that we saw."]


def _similar(similar: Sequence[Mapping[str, Any]]) -> list[str]:
    if not similar:
        return []
    lines = ["", "## Similar before", ""]
    for one in similar:
        cards = f"; approved: {text(', '.join(one['cards']))}" if one["cards"] else ""
        lines.append(
            f"- {text(one['since'])} {text(one['title'])} ({text(', '.join(one['alike']))}): ended "
            f"by {text(one['ended_by'])}: {text(one['ended'])}{cards} {code(one['id'])}"
        )
    return lines


def _what_to_do(incident: Mapping[str, Any]) -> list[str]:
    lines = ["", "## What to do", ""]
    for card in incident["actions"]:
        lines += [
            f"### {text(card['card'])} {text(card['title'])} ({text(card['autonomy'])})",
            "",
            *(
                f"- {name.replace('_', ' ').capitalize()}: "
                + (code(card[name]) if name in {"command", "dry_run"} else text(card[name]))
                for name in ("precondition", "command", "dry_run", "verify", "undo", "risk")
            ),
            "",
        ]
    return lines


def _history(incident: Mapping[str, Any]) -> list[str]:
    return ["## Activity", ""] + [
        " ".join(["-", *(text(line[name]) for name in ("at", "who", "what", "text"))]).rstrip()
        for line in incident["activity"]
    ]
