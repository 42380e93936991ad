"""Which incidents are asked for, as SQL: filters, a search for words, pages that do not shift."""

import base64
import binascii
import json
from dataclasses import dataclass

from vocabulary.errors import RequestRefused
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Incident, IncidentState

MAX_WORDS = 2000
"""Characters of an incident that a search looks through."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question for incidents; what is None does not matter."""

    state: IncidentState | None = None
    severity: Severity | None = None
    since: float | None = None
    """Still going on at this moment or later."""
    q: str | None = None
    """Words that must all occur somewhere in title, page text, names or id."""


SELECT = """
SELECT body FROM incidents
WHERE (?1 IS NULL OR state=?1)
  AND (?2 IS NULL OR severity=?2)
  AND (?3 IS NULL OR resolved_at IS NULL OR resolved_at>=?3)
  AND NOT EXISTS (SELECT 1 FROM json_each(?4) AS word WHERE instr(words, word.value)=0)
  AND (?5 IS NULL OR (opened_at, id)<(?5, ?6))
ORDER BY opened_at DESC, id DESC LIMIT ?7
"""


def values(wanted: Wanted, limit: int, cursor: str | None) -> tuple[object, ...]:
    """What to bind in SELECT for one page and one row more.

    Raises:
        RequestRefused: The cursor is none that `cursor_after` gave.
    """
    opened_at, incident_id = _position(cursor) if cursor else (None, None)
    return (
        wanted.state and wanted.state.value,
        wanted.severity and wanted.severity.value,
        wanted.since,
        json.dumps((wanted.q or "").lower().split()[:8]),
        opened_at,
        incident_id,
        limit + 1,
    )


def words(incident: Incident) -> str:
    """What a search for an incident looks through."""
    parts = [
        incident.id,
        incident.failure_mode.word,
        incident.failure_mode.code,
        incident.pool,
        incident.model,
        *incident.tenants,
        *(part for entity in incident.entities for part in (entity.id, entity.name)),
        incident.assignee,
        incident.title,
        incident.headline,
    ]
    return " ".join(filter(None, parts)).lower()[:MAX_WORDS]


def cursor_after(incident: Incident) -> str:
    """Where the page after *incident* begins."""
    text = json.dumps([incident.opened_at, incident.id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(cursor: str) -> tuple[float, str]:
    try:
        opened_at, incident_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(opened_at), str(incident_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise RequestRefused("cursor", "this cursor is none that a list of incidents gave") from (
            error
        )
