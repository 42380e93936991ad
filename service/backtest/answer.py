"""The answer of a backtest as plain data: what would have been told, why, and what was missed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidents.evidence import query_of
from service.backtest.known import Outcome, Verdict
from service.backtest.past import Past
from service.backtest.replay import Replayed
from service.backtest.telling import PAGE, TICKET, Telling, loudest, tellings
from service.backtest.what_if import Counts, Suggestion
from vocabulary.contracts import Detector
from vocabulary.incidents import Incident, incident_json, rfc3339

SCHEMA = 1
"""Version of the JSON; a change is a changelog line."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a backtest found out."""

    past: Past
    said: Replayed
    verdicts: Sequence[Verdict]
    """One for each known incident."""
    suggestions: Sequence[Suggestion]
    detectors: Mapping[str, Detector]

    @property
    def told(self) -> list[Incident]:
        """Incidents of which somebody would have been told, oldest first."""
        found = [one for one in self.said.incidents.values() if loudest(one)]
        return sorted(found, key=lambda one: (one.opened_at, one.id))

    @property
    def anything(self) -> bool:
        """Whether anybody would have been told, or a known incident would have been missed."""
        return bool(self.told) or any(one.outcome is Outcome.MISSED for one in self.verdicts)


def answer(found: Findings) -> dict[str, Any]:
    """As JSON leaves the process; money is a decimal string, time RFC 3339 UTC."""
    said, told = found.said, tellings(found.said.incidents.values())
    counts = Counts.of(told)
    return {
        "schema": SCHEMA,
        "source": found.past.name,
        "from": rfc3339(said.span.start),
        "to": rfc3339(said.until),
        "complete": not said.stopped,
        "stopped": said.stopped or None,
        "tick_seconds": said.span.every or said.span.interval,
        "ticks": said.ticks,
        "pages": counts.pages,
        "tickets": counts.tickets,
        "pages_per_week": _a_week(counts.pages, said),
        "untold": len(said.incidents) - len(found.told),
        "incidents": [_incident(one, told, found) for one in found.told],
        "known": [_verdict(one) for one in found.verdicts],
        "known_counts": dict(Counter(one.outcome.value for one in found.verdicts)),
        "suggestions": [_suggestion(one) for one in found.suggestions],
        "could_not_see": blind(found),
        "trouble": dict(sorted(said.trouble.items())),
    }


def blind(found: Findings) -> list[dict[str, Any]]:
    """Detectors that never had a value to look at, and what they would have needed."""
    return [
        {
            "failure_mode": name,
            "title": one.failure_mode.title,
            "signals": sorted({watch.signal.name for watch in one.watches}),
        }
        for name, one in sorted(found.detectors.items())
        if one.watches and not {watch.signal.name for watch in one.watches} & found.said.heard
    ]


def _incident(one: Incident, told: Sequence[Telling], found: Findings) -> dict[str, Any]:
    until = one.resolved_at if one.resolved_at is not None else found.said.until
    body = incident_json(one)
    for record, kept in zip(body["evidence"], one.evidence, strict=True):
        record["promql"] = query_of(kept, found.past.dialect)
    mine = [telling for telling in told if telling.incident.id == one.id]
    return {
        "told": loudest(one),
        "paged_at": [rfc3339(telling.at) for telling in mine if telling.how == PAGE],
        "ticketed_at": [rfc3339(telling.at) for telling in mine if telling.how == TICKET],
        "lasted_seconds": round(until - one.since, 3),
        "over": one.resolved_at is not None,
        **body,
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    known = one.known
    return {
        "outcome": one.outcome.value,
        "start": rfc3339(known.start),
        "end": rfc3339(known.end),
        "entity": known.entity or None,
        "what": known.what or None,
        "within_seconds": known.within,
        "incident": one.incident or None,
        "after_seconds": one.after_seconds,
    }


def _suggestion(one: Suggestion) -> dict[str, Any]:
    return {
        "text": in_words(one),
        "setting": one.setting,
        "was": one.was,
        "value": one.value,
        "pages": [one.before.pages, one.after.pages],
        "tickets": [one.before.tickets, one.after.tickets],
        "spared": list(one.spared),
        "softened": list(one.softened),
        "known_incidents": one.known,
        "known_lost": len(one.lost),
    }


def in_words(one: Suggestion) -> str:
    """A suggestion as one sentence, with what it was proven against."""
    proof = (
        f"none of {one.known} known incidents would be missed or found late"
        if one.known
        else "no known incidents were given, so nothing shows what a quieter desk would miss"
    )
    return (
        f"with {one.setting}: {one.value:g} (now {one.was:g}) there would have been "
        f"{_counted(one.after)} instead of {_counted(one.before)}; {proof}"
    )


def _counted(counts: Counts) -> str:
    pages = f"{counts.pages} page{'' if counts.pages == 1 else 's'}"
    return f"{pages} and {counts.tickets} ticket{'' if counts.tickets == 1 else 's'}"


def headline(found: Findings) -> str:
    """The first line of every report."""
    counts = Counts.of(tellings(found.said.incidents.values()))
    said = found.said
    line = f"Would have sent {_counted(counts)} from {said.span.words}"
    missed = sum(one.outcome is Outcome.MISSED for one in found.verdicts)
    if found.verdicts:
        line += f"; of {len(found.verdicts)} known incidents it would have missed {missed}"
    return f"{line}. Stopped early: {said.stopped}." if said.stopped else f"{line}."


def _a_week(pages: int, said: Replayed) -> float | None:
    """Pages a week at this pace; None where less than a day was replayed."""
    seconds = said.until - said.span.start
    return round(pages * 7 * 86400.0 / seconds, 2) if seconds >= 86400.0 else None
