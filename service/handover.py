"""The hand-over of a shift: what is open, what changed, what is silenced, and what is owed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from incidents.similar import APPROVAL
from service.markdown_text import code, figure, text
from store.action_log import LINE
from store.maintenance import Window
from store.records import Silence
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Activity, Incident, IncidentState, rfc3339

SHIFT_SECONDS = 8 * 3600.0
"""A shift, when nobody says when it began; and how far ahead its end is looked at."""
STALE_SECONDS = 4 * 3600.0
"""An acknowledged incident in which nobody did anything for so long is owed a look."""
US = "tidegauge"
CURED = re.compile(r"R\d\d cured: ")
"""How the line of an action begins that was carried out by us and helped."""


def open_and_ended(incidents: Iterable[Incident], since: float) -> dict[str, list[dict[str, Any]]]:
    """Incidents that go on, worst first, and those that ended since."""
    told = [one for one in incidents if not one.merged_into]
    going = [one for one in told if one.state is not IncidentState.RESOLVED]
    going.sort(key=lambda one: (-one.severity.rank, one.opened_at, one.id))
    ended = [one for one in told if one.resolved_at is not None and one.resolved_at >= since]
    ended.sort(key=lambda one: (one.resolved_at or 0.0, one.id))
    return {"open": [_row(one, since) for one in going], "ended": [_row(o, since) for o in ended]}


def _row(one: Incident, since: float) -> dict[str, Any]:
    cost = one.impact.usd_per_hour
    return {
        "id": one.id,
        "title": one.title,
        "severity": one.severity.value,
        "state": one.state.value,
        "new": one.opened_at >= since,
        "since": rfc3339(one.since),
        "resolved_at": rfc3339(one.resolved_at),
        "where": one.entity.label,
        "pool": one.pool,
        "owner": one.assignee,
        "usd_per_hour": None if cost is None else str(cost),
        "cause": one.causes[0].failure_mode.word if one.causes else "",
    }


def silenced(silences: Iterable[Silence]) -> list[dict[str, Any]]:
    """Silences in force, the first to end first."""
    return [
        {"incident": one.incident, "until": rfc3339(one.ends_at), "who": one.who,
         "reason": one.reason}
        for one in sorted(silences, key=lambda one: (one.ends_at, one.id))
    ]  # fmt: skip


def owed(
    incidents: Iterable[Incident],
    silences: Iterable[Silence],
    windows: Iterable[Window],
    problems: Sequence[str],
    since: float,
    now: float,
) -> list[dict[str, str]]:
    """What somebody should still do, in a fixed order."""
    found = [
        {"incident": one.id, "text": what}
        for one in sorted(incidents, key=lambda one: (-one.severity.rank, one.opened_at, one.id))
        for what in _owed_to(one, since, now)
    ]
    soon = now + SHIFT_SECONDS
    found += [
        {"incident": one.incident, "text": f"its silence ends at {rfc3339(one.ends_at)}"}
        for one in silences
        if one.ends_at <= soon
    ]
    found += [
        {"incident": "", "text": f"maintenance {one.id} ends at {rfc3339(one.ends_at)}"}
        for one in windows
        if now < one.ends_at <= soon
    ]
    return [*found, *({"incident": "", "text": problem} for problem in problems)]


def _owed_to(one: Incident, since: float, now: float) -> Iterable[str]:
    if one.merged_into or one.severity is Severity.INFO:
        return
    people = [line for line in one.activity if line.who != US]
    if one.state is IncidentState.RESOLVED:
        ended_lately = one.resolved_at is not None and one.resolved_at >= since
        if ended_lately and one.severity is Severity.CRITICAL and not people:
            yield "it paged and ended, and nobody wrote down why"
        return
    if one.state is IncidentState.OPEN:
        yield "nobody has acknowledged it"
    elif people and now - people[-1].at >= STALE_SECONDS:
        hours = (now - people[-1].at) / 3600.0
        yield f"acknowledged, and nothing was done for {hours:.0f} h"
    yield from _actions_of(one, people)


def _actions_of(one: Incident, people: Iterable[Activity]) -> Iterable[str]:
    """Cards that somebody said yes to, unless we know what came of them, and that it was good."""
    checked = [line.text for line in one.activity if line.what == f"{LINE}verified"]
    for line in people:
        said_yes = APPROVAL.match(line.text)
        plan = line.text.rpartition(" ")[2] if line.what == f"{LINE}approved" else ""
        if said_yes and not (plan and any(text.endswith(plan) for text in checked)):
            yield f"{said_yes.group(1)} was approved by {line.who}: was it run, did it help?"
    yield from (text for text in checked if not CURED.match(text))


def markdown(told: Mapping[str, Any]) -> str:
    """A hand-over, as the API tells it, to be pasted into a chat or a ticket."""
    lines = [f"# Hand-over {text(told['from'])} to {text(told['to'])}", "", "## Open", ""]
    lines += [_line(one) for one in told["open"]] or ["Nothing."]
    lines += ["", "## Ended in this shift", ""]
    lines += [_line(one) for one in told["ended"]] or ["Nothing."]
    lines += ["", "## Changed in this shift", ""]
    lines += [_change(one) for one in told["changes"]] or ["Nothing that we saw."]
    lines += ["", "## Kept quiet", ""]
    lines += [
        f"- {code(one['incident'])} until {text(one['until'])} by {text(one['who'])}:"
        f" {text(one['reason'])}"
        for one in told["silenced"]
    ]
    lines += [
        f"- maintenance {code(one['id'])} ({text(one['state'])}) {text(one['starts_at'])} to"
        f" {text(one['ends_at'])} by {text(one['who'])}: {text(one['reason'])}"
        f" ({text(scope_words(one['scope']))})"
        for one in told["maintenance"]
    ]
    lines += [] if told["silenced"] or told["maintenance"] else ["Nothing."]
    lines += ["", "## Owed", ""]
    lines += [
        "- " + (f"{code(one['incident'])}: " if one["incident"] else "") + text(one["text"])
        for one in told["owed"]
    ] or ["Nothing."]
    return "\n".join(lines) + "\n"


def scope_words(scope: Mapping[str, str]) -> str:
    """`pool prod/chat, node n1`."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in scope.items() if value)


def _line(one: Mapping[str, Any]) -> str:
    new = "new, " if one["new"] else ""
    owner = f", {text(one['owner'])} has it" if one["owner"] else ""
    burning = f", {figure(one['usd_per_hour'], 'USD/h')}" if one["usd_per_hour"] else ""
    return (
        f"- {code(one['id'])} **{text(one['title'])}** ({new}{text(one['severity'])},"
        f" {text(one['state'])}) since {text(one['since'])}{owner}{burning}"
    )


def _change(one: Mapping[str, Any]) -> str:
    verdict = one.get("verdict")
    what = f"- {text(one['at'])} {text(one['kind'])} {text(one['what'])}"
    if not verdict:
        return what
    return f"{what} → **{text(verdict['word'].replace('_', ' '))}**: {text(verdict['text'])}"
