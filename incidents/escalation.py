"""Telling that an action did not help: a ticket of its own, never a second page of the incident.

It goes the way of every notice, through the durable outbox, under a key of its own, and closes by
itself once it was told: the incident goes on under its own key, as often told as before.
"""

from collections.abc import Sequence

from incidents.announcement import MAX_LABEL, identity
from incidents.headline import plain
from incidents.tracking import case_from_memory
from store.outbox import Notice
from store.records import Kept
from vocabulary.failure_modes import Severity
from vocabulary.incidents import rfc3339

ALERT_NAME = "ActionDidNotHelp"


def escalation(
    kept: Kept, plan: str, summary: str, text: str, receivers: Sequence[str], now: float
) -> list[Notice]:
    """What every receiver is to be told of *plan*."""
    case = case_from_memory(kept.incident, kept.memory)
    severity = Severity.WARNING.value
    links = dict(kept.incident.links)
    annotations = {
        "summary": plain(summary, MAX_LABEL),
        "description": plain(text, 1000),
        "incident_url": links.get("Incident", ""),
    }
    body = {
        "labels": {
            **(case.labels or identity(case)),
            "alertname": ALERT_NAME,
            "plan": plan,
            "severity": severity,
        },
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": rfc3339(now),
        "generatorURL": links.get("Incident", ""),
    }
    key = f"{kept.incident.id}/{plan}/{severity}"
    return [Notice(one, key, body, now, now, None, now) for one in receivers]
