"""Similar incidents of the past, as the API tells them beside one incident."""

from typing import Any

from incidents.similar import similar
from service.api.wiring import IncidentDesk
from vocabulary.incidents import Incident, IncidentState, rfc3339

LOOKED_AT = 100
"""Newest ended incidents of the same failure mode, and of the same pool, that are compared."""


def similar_json(desk: IncidentDesk, incident: Incident) -> list[dict[str, Any]]:
    """The most alike first; empty when nothing like it is known."""
    past: dict[str, Incident] = {}
    for words in (incident.failure_mode.word, incident.pool):
        if words:
            page, _ = desk.list(IncidentState.RESOLVED, None, None, words, LOOKED_AT, None)
            past.update((one.id, one) for one in page)
    return [
        {
            "id": one.incident.id,
            "title": one.incident.title,
            "failure_mode": one.incident.failure_mode.word,
            "since": rfc3339(one.incident.since),
            "resolved_at": rfc3339(one.incident.resolved_at),
            "alike": list(one.alike),
            "ended": one.ended,
            "ended_by": one.ended_by,
            "cards": list(one.cards),
        }
        for one in similar(incident, past.values())
    ]
