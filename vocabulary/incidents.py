"""Incidents: findings with one cause and a life, and the JSON that leaves the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any

from vocabulary.actions import Action, action_from_json, action_json
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import BY_WORD, FailureMode, Severity

API_VERSION = "v1"


class IncidentState(StrEnum):
    """The life of an incident, in order."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Impact:
    """What it costs people and the budget. None means not known, never zero."""

    requests_affected: float | None = None
    tokens_lost: float | None = None
    usd_per_hour: Decimal | None = None
    slo_burn: float | None = None
    """Multiple of the sustainable error-budget burn."""
    basis: str = ""
    """How the figures came about, in one sentence."""
    forecast: str = ""
    """What comes if nothing is done, where something is known to grow; empty else."""
    slo_budget_burnt: float | None = None
    """Share of the error budget of a month that is gone since the onset."""
    tenants_hit: tuple[str, ...] | None = None
    """Who called what fails, waits or is slow, since the onset; None where nobody tells callers
    apart, or nobody's calls are in question."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One explanation, scored against the others."""

    failure_mode: FailureMode
    entity: Entity
    score: float
    """0..1; relative to the other causes of the same incident."""
    why: str
    evidence_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NearbyChange:
    """A change close enough in time and topology to matter."""

    at: float
    kind: str
    entity: Entity
    what: str
    offset_seconds: float
    """Change minus onset: negative is before."""


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Evidence as an incident keeps it, with the query that shows it."""

    id: str
    signal: str
    entity: Entity
    promql: str
    start: float
    end: float
    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    unit: str
    text: str
    speaks_against: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of an incident's history."""

    at: float
    who: str
    """A person, or `tidegauge`."""
    what: str
    """`opened`, `severity raised`, `acknowledged`, `note`, `notified`, `resolved`, …"""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Findings with one cause."""

    id: str
    failure_mode: FailureMode
    title: str
    headline: str
    """Everything the page says: model, since when, who is hit, $/h, cause, change, first step."""
    severity: Severity
    state: IncidentState
    opened_at: float
    since: float
    """Onset as the evidence dates it; not later than opened_at."""
    updated_at: float
    entity: Entity
    pool: str = ""
    model: str = ""
    resolved_at: float | None = None
    entities: tuple[Entity, ...] = ()
    tenants: tuple[str, ...] = ()
    impact: Impact = field(default_factory=Impact)
    causes: tuple[Cause, ...] = ()
    changes: tuple[NearbyChange, ...] = ()
    evidence: tuple[EvidenceRecord, ...] = ()
    actions: tuple[Action, ...] = ()
    activity: tuple[Activity, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """(title, url)."""
    assignee: str = ""
    silenced_until: float | None = None
    merged_into: str = ""

    def evolve(self, **changes: Any) -> "Incident":
        """A copy with some fields replaced: `dataclasses.replace`, in a third of its time.

        A storm of findings writes tens of thousands of them.
        """
        made: Incident = object.__new__(Incident)
        for write, value in zip(_WRITERS, _VALUES(self), strict=True):
            write(made, value)
        for name, value in changes.items():
            _WRITER_OF[name](made, value)
        return made


_NAMES = tuple(one.name for one in fields(Incident))
_VALUES = attrgetter(*_NAMES)
_WRITER_OF = {name: getattr(Incident, name).__set__ for name in _NAMES}
_WRITERS = tuple(_WRITER_OF.values())


def rfc3339(moment: float | None) -> str | None:
    """Unix seconds as RFC 3339 UTC with milliseconds, or None."""
    if moment is None:
        return None
    stamp = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def from_rfc3339(text: str | None) -> float | None:
    """The reverse of rfc3339; raises ValueError on anything else."""
    if text is None:
        return None
    return datetime.fromisoformat(text).timestamp()


def entity_json(entity: Entity) -> dict[str, str]:
    """An entity as it leaves the process."""
    return {"kind": entity.kind.value, "id": entity.id, "name": entity.label}


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def incident_json(incident: Incident) -> dict[str, Any]:
    """The stable contract: money as decimal strings, time as RFC 3339 UTC."""
    impact = incident.impact
    return {
        "api_version": API_VERSION,
        "id": incident.id,
        "code": incident.failure_mode.code,
        "failure_mode": incident.failure_mode.word,
        "title": incident.title,
        "headline": incident.headline,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "opened_at": rfc3339(incident.opened_at),
        "since": rfc3339(incident.since),
        "updated_at": rfc3339(incident.updated_at),
        "resolved_at": rfc3339(incident.resolved_at),
        "entity": entity_json(incident.entity),
        "entities": [entity_json(entity) for entity in incident.entities],
        "pool": incident.pool,
        "model": incident.model,
        "tenants": list(incident.tenants),
        "impact": {
            "requests_affected": impact.requests_affected,
            "tokens_lost": impact.tokens_lost,
            "usd_per_hour": _money(impact.usd_per_hour),
            "slo_burn": impact.slo_burn,
            "basis": impact.basis,
            "forecast": impact.forecast,
            "slo_budget_burnt": impact.slo_budget_burnt,
            "tenants_hit": None if impact.tenants_hit is None else list(impact.tenants_hit),
        },
        "causes": [_cause_json(cause) for cause in incident.causes],
        "changes": [_change_json(change) for change in incident.changes],
        "evidence": [_evidence_json(record) for record in incident.evidence],
        "actions": [action_json(action) for action in incident.actions],
        "activity": [_activity_json(line) for line in incident.activity],
        "links": [{"title": title, "url": url} for title, url in incident.links],
        "assignee": incident.assignee,
        "silenced_until": rfc3339(incident.silenced_until),
        "merged_into": incident.merged_into,
    }


def _cause_json(cause: Cause) -> dict[str, Any]:
    return {
        "failure_mode": cause.failure_mode.word,
        "code": cause.failure_mode.code,
        "entity": entity_json(cause.entity),
        "score": round(cause.score, 4),
        "why": cause.why,
        "evidence_ids": list(cause.evidence_ids),
    }


def _change_json(change: NearbyChange) -> dict[str, Any]:
    return {
        "at": rfc3339(change.at),
        "kind": change.kind,
        "entity": entity_json(change.entity),
        "what": change.what,
        "offset_seconds": change.offset_seconds,
    }


def _evidence_json(record: EvidenceRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "signal": record.signal,
        "entity": entity_json(record.entity),
        "promql": record.promql,
        "from": rfc3339(record.start),
        "to": rfc3339(record.end),
        "observed": record.observed,
        "expected": record.expected,
        "lower": record.lower,
        "upper": record.upper,
        "unit": record.unit,
        "text": record.text,
        "speaks_against": record.speaks_against,
    }


def _activity_json(line: Activity) -> dict[str, Any]:
    return {"at": rfc3339(line.at), "who": line.who, "what": line.what, "text": line.text}


def entity_from_json(body: Mapping[str, Any]) -> Entity:
    """The reverse of entity_json."""
    name = body.get("name", "")
    return Entity(EntityKind(body["kind"]), body["id"], "" if name == body["id"] else name)


def incident_from_json(body: Mapping[str, Any]) -> Incident:
    """The reverse of incident_json, exact to the millisecond.

    Raises:
        KeyError, ValueError: The body is not one that incident_json wrote.
    """
    impact = body["impact"]
    money = impact["usd_per_hour"]
    return Incident(
        id=body["id"],
        failure_mode=BY_WORD[body["failure_mode"]],
        title=body["title"],
        headline=body["headline"],
        severity=Severity(body["severity"]),
        state=IncidentState(body["state"]),
        opened_at=_moment(body["opened_at"]),
        since=_moment(body["since"]),
        updated_at=_moment(body["updated_at"]),
        resolved_at=from_rfc3339(body["resolved_at"]),
        entity=entity_from_json(body["entity"]),
        entities=tuple(entity_from_json(one) for one in body["entities"]),
        pool=body["pool"],
        model=body["model"],
        tenants=tuple(body["tenants"]),
        impact=Impact(
            impact["requests_affected"],
            impact["tokens_lost"],
            None if money is None else Decimal(money),
            impact["slo_burn"],
            impact["basis"],
            impact.get("forecast", ""),
            impact.get("slo_budget_burnt"),
            None if impact.get("tenants_hit") is None else tuple(impact["tenants_hit"]),
        ),
        causes=tuple(_cause_from_json(one) for one in body["causes"]),
        changes=tuple(_change_from_json(one) for one in body["changes"]),
        evidence=tuple(_evidence_from_json(one) for one in body["evidence"]),
        actions=tuple(action_from_json(one) for one in body["actions"]),
        activity=tuple(_activity_from_json(one) for one in body["activity"]),
        links=tuple((link["title"], link["url"]) for link in body["links"]),
        assignee=body["assignee"],
        silenced_until=from_rfc3339(body["silenced_until"]),
        merged_into=body["merged_into"],
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _cause_from_json(body: Mapping[str, Any]) -> Cause:
    return Cause(
        BY_WORD[body["failure_mode"]],
        entity_from_json(body["entity"]),
        body["score"],
        body["why"],
        tuple(body["evidence_ids"]),
    )


def _change_from_json(body: Mapping[str, Any]) -> NearbyChange:
    return NearbyChange(
        _moment(body["at"]),
        body["kind"],
        entity_from_json(body["entity"]),
        body["what"],
        body["offset_seconds"],
    )


def _evidence_from_json(body: Mapping[str, Any]) -> EvidenceRecord:
    return EvidenceRecord(
        id=body["id"],
        signal=body["signal"],
        entity=entity_from_json(body["entity"]),
        promql=body["promql"],
        start=_moment(body["from"]),
        end=_moment(body["to"]),
        observed=body["observed"],
        expected=body["expected"],
        lower=body["lower"],
        upper=body["upper"],
        unit=body["unit"],
        text=body["text"],
        speaks_against=body["speaks_against"],
    )


def _activity_from_json(body: Mapping[str, Any]) -> Activity:
    return Activity(_moment(body["at"]), body["who"], body["what"], body["text"])
