"""A finding followed over its life, and the incident that its findings make up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from vocabulary.entities import Entity
from vocabulary.failure_modes import BY_WORD, FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.incidents import (
    Activity,
    Incident,
    IncidentState,
    entity_from_json,
    entity_json,
)

US = "tidegauge"
"""Who did what no person did."""

Key = tuple[str, str]

MAX_TRACKED = 5000
"""Findings one incident follows; a crash loop gives its pods a new name every minute."""

MAX_KEPT = 500
"""Findings of one incident that outlive a restart, the newest; the others are found again."""


MAX_TELLINGS = 2
"""Firing notifications of one incident: that it is there, and that it is worse or back. What comes
back after that is an incident of its own, which says of which one it is the return."""


@dataclass(slots=True)
class Tracked:
    """One finding from the first tick that it was made at to the last."""

    mode: FailureMode
    entity: Entity
    since: float
    first_at: float
    last_at: float
    severity: Severity
    confidence: float
    text: str
    pool: str
    model: str
    tenant: str
    acts_on: frozenset[str]
    """Places it can do harm at, such as `replica/…`, `model/…`."""
    seen_at: frozenset[str]
    """Places whose troubles can show in it."""
    evidence: tuple[Evidence, ...] = ()
    lost: float = 1.0
    """Share of its pool's replicas that did not work when it was first made; 1 where not known."""

    @property
    def key(self) -> Key:
        """What makes it the same finding from tick to tick."""
        return (self.mode.word, str(self.entity))

    @property
    def order(self) -> tuple[float, str, str]:
        """Deterministic order of age."""
        return (self.since, self.mode.code, str(self.entity))

    def renew(self, finding: Finding, now: float) -> None:
        """The same finding was made again."""
        self.last_at = now
        self.severity = finding.severity
        self.confidence = finding.confidence
        self.text = finding.text
        self.evidence = finding.evidence

    def active(self, now: float, interval: float) -> bool:
        """Whether it still holds; a detector may miss two ticks (a late scrape) before not."""
        return self.last_at >= now - 2.5 * interval


@dataclass(slots=True)
class Case:
    """An incident and what the desk remembers of it."""

    incident: Incident
    tracked: dict[Key, Tracked] = field(default_factory=dict)
    quiet_from: float | None = None
    """Since when nothing was found while it would have been seen; None otherwise."""
    blind_from: float | None = None
    """Since when its entity cannot be seen at all; None while it can."""
    reopened: int = 0
    paged_at: float | None = None
    withheld: str = ""
    """By which rule a critical finding did not page, or empty."""
    resolved_by: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """What identifies it to receivers, fixed when it is first announced."""
    announced: dict[str, float] = field(default_factory=dict)
    """Severities that receivers know it by, and since when."""
    tellings: int = 0
    """How often receivers were told that it fires: as a ticket, as a page, and once more when it
    came back; see MAX_TELLINGS."""
    worst_usd: Decimal | None = None
    """Most dollars an hour it ever burnt."""
    assembled_at: float = 0.0
    shape: tuple[object, ...] = ()
    """What it looked like when last told; a difference is a change worth telling."""
    acts: list[Activity] = field(default_factory=list)
    """History not yet kept."""

    def track(self, one: Tracked) -> None:
        """Take a finding in; of very many the longest ended are let go."""
        self.tracked[one.key] = one
        if len(self.tracked) > MAX_TRACKED:
            oldest = sorted(self.tracked.values(), key=lambda other: (other.last_at, *other.order))
            for gone in oldest[: MAX_TRACKED // 10]:
                del self.tracked[gone.key]

    def act(self, at: float, what: str, text: str = "", who: str = US) -> None:
        """Add a line to its history."""
        line = Activity(at, who, what, text[:2000])
        self.acts.append(line)
        self.incident = self.incident.evolve(
            activity=(*self.incident.activity, line)[-200:], updated_at=at
        )

    @property
    def live(self) -> bool:
        """Not over."""
        return self.incident.state is not IncidentState.RESOLVED

    def main(self) -> list[Tracked]:
        """Findings that carry it, oldest first; telemetry only when there is nothing else."""
        return carrying(self.tracked.values())

    def _newest(self) -> Iterable[Tracked]:
        if len(self.tracked) <= MAX_KEPT:
            return self.tracked.values()
        by_age = sorted(self.tracked.values(), key=lambda one: (-one.last_at, *one.order))
        return by_age[:MAX_KEPT]

    def memory(self) -> dict[str, Any]:
        """What to keep beside the incident."""
        return {
            "tracked": [_tracked_json(one) for one in self._newest()],
            "quiet_from": self.quiet_from,
            "blind_from": self.blind_from,
            "reopened": self.reopened,
            "paged_at": self.paged_at,
            "withheld": self.withheld,
            "resolved_by": self.resolved_by,
            "labels": self.labels,
            "announced": self.announced,
            "tellings": self.tellings,
            "worst_usd": None if self.worst_usd is None else str(self.worst_usd),
        }


def carrying(findings: Iterable[Tracked]) -> list[Tracked]:
    """*findings* oldest first, without words about telemetry unless there is nothing else."""
    everything = sorted(findings, key=lambda one: one.order)
    return [one for one in everything if one.mode.family != "telemetry"] or everything


def case_from_memory(incident: Incident, memory: Mapping[str, Any]) -> Case:
    """A case as it was kept."""
    tracked = [_tracked_from_json(one) for one in memory["tracked"]]
    return Case(
        incident,
        {one.key: one for one in tracked},
        memory["quiet_from"],
        memory["blind_from"],
        memory["reopened"],
        memory["paged_at"],
        memory["withheld"],
        memory["resolved_by"],
        dict(memory["labels"]),
        dict(memory["announced"]),
        memory.get("tellings", len(memory["announced"])),
        None if memory["worst_usd"] is None else Decimal(memory["worst_usd"]),
    )


def _tracked_json(one: Tracked) -> dict[str, Any]:
    return {
        "mode": one.mode.word,
        "entity": entity_json(one.entity),
        "since": one.since,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "severity": one.severity.value,
        "confidence": one.confidence,
        "text": one.text,
        "pool": one.pool,
        "model": one.model,
        "tenant": one.tenant,
        "acts_on": sorted(one.acts_on),
        "seen_at": sorted(one.seen_at),
        "lost": one.lost,
    }


def _tracked_from_json(body: Mapping[str, Any]) -> Tracked:
    return Tracked(
        mode=BY_WORD[body["mode"]],
        entity=entity_from_json(body["entity"]),
        since=body["since"],
        first_at=body["first_at"],
        last_at=body["last_at"],
        severity=Severity(body["severity"]),
        confidence=body["confidence"],
        text=body["text"],
        pool=body["pool"],
        model=body["model"],
        tenant=body["tenant"],
        acts_on=frozenset(body["acts_on"]),
        seen_at=frozenset(body["seen_at"]),
        lost=body.get("lost", 1.0),  # not kept by versions before it
    )
