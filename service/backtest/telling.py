"""What receivers would have been told of incidents: each page and each ticket, with its moment."""

from collections.abc import Iterable
from dataclasses import dataclass

from vocabulary.incidents import Incident

PAGE = "page"
TICKET = "ticket"
_ACTS = {"paged": PAGE, "ticketed": TICKET}
"""What the desk writes into an incident's history when it tells of it."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One page or one ticket."""

    at: float
    how: str
    incident: Incident

    def is_about(self, words: str) -> bool:
        """Whether *words* name what it is about, in full or in part; nothing names everything."""
        wanted = words.casefold().strip()
        return not wanted or any(wanted in name.casefold() for name in _names(self.incident))


def tellings(incidents: Iterable[Incident]) -> list[Telling]:
    """Everything that would have been told, oldest first."""
    told = [
        Telling(line.at, _ACTS[line.what], one)
        for one in incidents
        for line in one.activity
        if line.what in _ACTS
    ]
    return sorted(told, key=lambda one: (one.at, one.incident.id))


def loudest(incident: Incident) -> str:
    """`page`, `ticket`, or an empty string where nobody would have been told."""
    how = {_ACTS.get(line.what) for line in incident.activity}
    return PAGE if PAGE in how else TICKET if TICKET in how else ""


def _names(incident: Incident) -> Iterable[str]:
    for entity in (incident.entity, *incident.entities):
        yield str(entity)
        yield entity.label
    if incident.pool:
        yield f"pool/{incident.pool}"
    if incident.model:
        yield f"model/{incident.model}"
    yield from (f"tenant/{one}" for one in incident.tenants)
