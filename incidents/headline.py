"""The page's text: model, since when, who is hit, tokens, dollars, cause, change, first step.

It is read on a phone and passed through other systems: plain ASCII on one line, bounded, and
nothing that telemetry says can add a control character to it.
"""

import unicodedata
from datetime import UTC, datetime

from vocabulary.incidents import Incident

MAX_CHARACTERS = 900
"""PagerDuty cuts a summary at 1,024 characters (Events API v2)."""

_PLAIN = str.maketrans(
    {"→": "->", "–": "-", "—": "-", "×": "x", "≥": ">=", "≤": "<=", "°": " deg "}
)


def headline(incident: Incident) -> str:
    """Everything an on-call engineer needs in the order they need it."""
    parts = [
        _what(incident),
        _impact(incident),
        _cause(incident),
        _change(incident),
        _step(incident),
    ]
    return plain(" ".join(filter(None, parts)))


def sketch(incident: Incident) -> str:
    """What there is to say before an incident is written up."""
    return plain(f"{_what(incident)} Impact and cause are being worked out.")


def title(incident: Incident) -> str:
    """One short line for lists."""
    return plain(f"{incident.failure_mode.title}: {incident.entity.label}", 160)


def plain(text: str, limit: int = MAX_CHARACTERS) -> str:
    """*text* as one line of printable ASCII of at most *limit* characters."""
    line = " ".join((text if text.isascii() and text.isprintable() else _spelt(text)).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def _spelt(text: str) -> str:
    return "".join(
        " " if character.isspace() else character if " " <= character <= "~" else ""
        for character in unicodedata.normalize("NFKD", text.translate(_PLAIN))
    )


def _what(incident: Incident) -> str:
    began = _clock(incident.since)
    where = [incident.model, incident.pool if incident.pool != incident.model else ""]
    subject = " / ".join(filter(None, where)) or incident.entity.kind.value
    more, over = len(incident.entities) - 1, incident.resolved_at
    others = f" and {more} more" if more > 0 else ""
    return (
        f"{subject}: {_lowered(incident.failure_mode.title)} ({incident.entity.label}{others}) "
        f"since {began}{f' until {_clock(over)}' if over is not None else ''}."
    )


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M UTC")


def _impact(incident: Incident) -> str:
    impact = incident.impact
    burning = "burning" if incident.resolved_at is None else "burnt"
    known = [
        f"{impact.requests_affected:,.0f} requests hit" if impact.requests_affected else "",
        f"{len(incident.tenants)} tenants named" if len(incident.tenants) > 1 else "",
        f"tenant {incident.tenants[0]}" if len(incident.tenants) == 1 else "",
        _hit(impact.tenants_hit),
        f"{impact.tokens_lost:,.0f} tokens lost" if impact.tokens_lost else "",
        f"{impact.usd_per_hour:,.2f} USD/h {burning}" if impact.usd_per_hour else "",
        f"error budget burns {impact.slo_burn:.1f}x" if impact.slo_burn else "",
        _burnt(impact.slo_budget_burnt),
    ]
    said = ", ".join(filter(None, known))
    if said:
        return f"{said}."
    counted = impact.requests_affected is not None or impact.slo_burn is not None
    return "No failed call counted." if counted else "Impact not known."


def _hit(callers: tuple[str, ...] | None) -> str:
    """How many tenants call what suffers; one is named."""
    if not callers:
        return ""
    return f"tenant {callers[0]} hit" if len(callers) == 1 else f"{len(callers)} tenants hit"


def _burnt(share: float | None) -> str:
    """Of the month's error budget, from a tenth of a per cent on."""
    return f"{share:.1%} of the month's error budget gone" if share and share >= 0.001 else ""


def _cause(incident: Incident) -> str:
    if not incident.causes:
        return ""
    cause = incident.causes[0]
    sure = "Most likely" if cause.score >= 0.5 else "Perhaps"
    return f"{sure} {_lowered(cause.failure_mode.title)} on {cause.entity.label}: {cause.why}."


def _change(incident: Incident) -> str:
    if not incident.changes:
        return "Nothing known was changed before."
    change = incident.changes[0]
    minutes = abs(change.offset_seconds) / 60.0
    side = "before" if change.offset_seconds <= 0 else "after onset"
    return f"Changed {minutes:.0f} min {side}: {change.what}."


def _step(incident: Incident) -> str:
    """The first card that one person may apply and whose precondition does not fail."""
    if incident.resolved_at is not None:
        return ""
    safe = [action for action in incident.actions if action.met is not False]
    if not safe:
        return ""
    action = safe[0]
    return f"First step: {action.title} [{action.card}; {action.precondition}]."


def _lowered(text: str) -> str:
    """Begin inside a sentence; abbreviations (GPU, KV) stay as they are."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
