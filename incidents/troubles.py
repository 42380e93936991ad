"""When and where something was wrong, so that nobody learns it as normal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from incidents.tracking import Case, Tracked
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import Severity

Spans = Mapping[str, tuple[tuple[float, float], ...]]


@dataclass(slots=True)
class Troubles:
    """Spans by place (`kind/id`), of incidents now and of the last weeks."""

    _cases: dict[str, tuple[frozenset[str], float, float]] = field(default_factory=dict)
    _spans: dict[str, tuple[tuple[float, float], ...]] | None = None

    def note(self, case: Case) -> None:
        """Take in how *case* stands; context and words about telemetry trouble nothing."""
        incident = case.incident
        places = frozenset[str]().union(*(_troubled(one) for one in case.main()))
        if not places or incident.severity is Severity.INFO or incident.merged_into:
            self._forget(incident.id)
            return
        ended = math.inf if incident.resolved_at is None else incident.resolved_at
        told = (places, incident.since, ended)
        if self._cases.get(incident.id) != told:
            self._cases[incident.id] = told
            self._spans = None

    def forget_before(self, moment: float) -> None:
        """Let go of what ended before *moment*."""
        for incident_id in [one for one, (_, _, end) in self._cases.items() if end < moment]:
            self._forget(incident_id)

    def spans(self) -> Spans:
        """Every place that was or is in trouble; what goes on ends at infinity."""
        if self._spans is None:
            found: dict[str, list[tuple[float, float]]] = {}
            for places, start, end in self._cases.values():
                for place in places:
                    found.setdefault(place, []).append((start, end))
            self._spans = {place: tuple(sorted(spans)) for place, spans in found.items()}
        return self._spans

    def _forget(self, incident_id: str) -> None:
        if self._cases.pop(incident_id, None) is not None:
            self._spans = None


def _troubled(one: Tracked) -> frozenset[str]:
    """Where *one* makes figures abnormal.

    A tenant's loop is no trouble of the model it calls, a slow GPU none of its siblings, and what
    cannot be read troubles nothing.
    """
    if one.mode.family == "telemetry":
        return frozenset()
    if one.entity.kind is EntityKind.TENANT:
        return one.seen_at
    kinds = _HARDWARE if one.mode.family == "hardware" else _SERVING
    places = {place for place in one.acts_on if place.partition("/")[0] in kinds}
    # Pools and models are asked for by their bare names too.
    names = {p.partition("/")[2] for p in places if p.partition("/")[0] in ("pool", "model")}
    return frozenset(places | names | {str(one.entity)})


_HARDWARE = frozenset({"replica", "gpu"})
_SERVING = frozenset({"replica", "gpu", "pool", "model"})
