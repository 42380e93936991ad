"""An incident as a Markdown report: what a person pastes into a ticket."""

from collections.abc import Mapping
from typing import Any

_SPECIAL = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>#|!"})


def _text(value: Any) -> str:
    """Telemetry text made harmless: one line, no Markdown, no control characters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return clean.translate(_SPECIAL)


def _code(value: Any) -> str:
    clean = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return "`` " + clean.replace("`", "'") + " ``"


def _figure(value: Any, unit: str = "") -> str:
    if value is None:
        return "not known"
    shown = f"{value:.4g}" if isinstance(value, float) else _text(value)
    return f"{shown} {_text(unit)}".rstrip()


def markdown(incident: Mapping[str, Any]) -> str:
    """The report of one incident as the API gives it."""
    parts = [*_head(incident), *_why(incident), *_what_to_do(incident), *_history(incident)]
    return "\n".join(parts) + "\n"


def _head(incident: Mapping[str, Any]) -> list[str]:
    impact = incident["impact"]
    return [
        f"# {_text(incident['title'])}",
        "",
        _text(incident["headline"]),
        "",
        f"- Incident: {_code(incident['id'])} ({_text(incident['code'])})",
        f"- Severity: {_text(incident['severity'])}; state: {_text(incident['state'])}",
        f"- Since: {_text(incident['since'])}; opened: {_text(incident['opened_at'])}",
        f"- Resolved: {_text(incident['resolved_at'] or 'not yet')}",
        f"- Entity: {_text(incident['entity']['kind'])} {_code(incident['entity']['name'])}",
        f"- Requests affected: {_figure(impact['requests_affected'])}",
        f"- Tokens lost: {_figure(impact['tokens_lost'])}",
        f"- Burning: {_figure(impact['usd_per_hour'], 'USD/h')}",
        f"- Error budget: {_figure(impact['slo_burn'], 'times its sustainable pace')}",
        *([f"- If nothing is done: {_text(impact['forecast'])}"] if impact.get("forecast") else []),
    ]


def _why(incident: Mapping[str, Any]) -> list[str]:
    lines = ["", "## Why we think so", ""]
    lines += [
        f"{place}. {_text(cause['failure_mode'])} on {_code(cause['entity']['name'])}"
        f" ({cause['score']:.2f}): {_text(cause['why'])}"
        for place, cause in enumerate(incident["causes"], 1)
    ]
    lines += ["", "## Evidence", "", "| signal | observed | expected | says |", "|---|---|---|---|"]
    lines += [
        f"| {_text(one['signal'])} | {_figure(one['observed'], one['unit'])}"
        f" | {_figure(one['expected'], one['unit'])} | {_text(one['text'])} |"
        for one in incident["evidence"]
    ]
    lines += ["", "## What changed", ""]
    lines += [
        f"- {change['offset_seconds']:+.0f} s: {_text(change['kind'])} {_text(change['what'])}"
        for change in incident["changes"]
    ] or ["Nothing that we saw."]
    return lines


def _what_to_do(incident: Mapping[str, Any]) -> list[str]:
    lines = ["", "## What to do", ""]
    for card in incident["actions"]:
        lines += [
            f"### {_text(card['card'])} {_text(card['title'])} ({_text(card['autonomy'])})",
            "",
            *(
                f"- {name.replace('_', ' ').capitalize()}: "
                + (_code(card[name]) if name in {"command", "dry_run"} else _text(card[name]))
                for name in ("precondition", "command", "dry_run", "verify", "undo", "risk")
            ),
            "",
        ]
    return lines


def _history(incident: Mapping[str, Any]) -> list[str]:
    return ["## Activity", ""] + [
        " ".join(["-", *(_text(line[name]) for name in ("at", "who", "what", "text"))]).rstrip()
        for line in incident["activity"]
    ]
