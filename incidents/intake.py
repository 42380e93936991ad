"""The findings of one tick taken in: known ones renewed, new ones placed, incidents opened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from incidents import lifecycle
from incidents.correlation import correlate, incident_id, link, root
from incidents.explains import ECHOES
from incidents.headline import title
from incidents.places import Map, lost_share, places
from incidents.settings import DeskSettings
from incidents.tracking import MAX_TELLINGS, Case, Key, Tracked, carrying
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.incidents import Incident, IncidentState


@dataclass(slots=True)
class Cases:
    """The incidents that are going on, and those that may come back."""

    live: dict[str, Case] = field(default_factory=dict)
    past: dict[str, Case] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        """Put *case* where its state says."""
        keep, drop = (self.live, self.past) if case.live else (self.past, self.live)
        drop.pop(case.incident.id, None)
        keep[case.incident.id] = case

    def settle(self, now: float, settings: DeskSettings) -> None:
        """Move what is over to the past, and let go of what can come back no more."""
        for case in [one for one in self.live.values() if not one.live]:
            self.add(case)
        for case in list(self.past.values()):
            if now - (case.incident.resolved_at or 0.0) > settings.reopen_seconds:
                del self.past[case.incident.id]


def take_in(
    cases: Cases,
    findings: Sequence[Finding],
    drawn: Map,
    now: float,
    settings: DeskSettings,
    interval: float,
) -> None:
    """Renew, reopen, join, open and merge; the order of *findings* does not matter.

    *interval* is the time from one tick to the next.
    """
    told = _loudest(findings)
    known = {key: one for case in cases.live.values() for key, one in case.tracked.items()}
    lingering = _looking_back(cases, told, known, drawn, now, settings, interval)
    heard = [one for one in told if one.key not in lingering]
    lingering |= _bring_back(cases, heard, known, now, settings)
    new = [
        _track(finding, drawn, now)
        for finding in told
        if finding.key not in known and finding.key not in lingering
    ]
    for finding in told:
        if finding.key in known:
            known[finding.key].renew(finding, now)
    if new:
        _settle_in(cases, new, now, settings)


def _bring_back(
    cases: Cases,
    told: Sequence[Finding],
    known: dict[Key, Tracked],
    now: float,
    settings: DeskSettings,
) -> set[Key]:
    """Reopen what is back, adding to *known*; gives the findings that merely linger.

    What has meanwhile become part of another incident stays there.
    """
    gone, lingering = _by_key(cases.past.values()), set[Key]()
    for finding in told:
        case = gone.get(finding.key)
        if case is None or case.live or case.incident.merged_into or finding.key in known:
            continue
        ended = now - (case.incident.resolved_at or 0.0)
        if case.resolved_by and ended < settings.manual_grace_seconds:
            lingering.add(finding.key)
        elif ended <= settings.reopen_seconds and case.tellings < MAX_TELLINGS:
            why = f"findings go on after {case.resolved_by} resolved it" if case.resolved_by else ""
            lifecycle.reopen(case, now, why or f"{finding.failure_mode.title} is back")
            case.tracked = {key: one for key, one in case.tracked.items() if key not in known}
            known.update(case.tracked)
            cases.add(case)
    return lingering


def _looking_back(
    cases: Cases,
    told: Sequence[Finding],
    known: Mapping[Key, Tracked],
    drawn: Map,
    now: float,
    settings: DeskSettings,
    interval: float,
) -> set[Key]:
    """Findings that are but echoes of an incident that is over: they neither reopen nor open one.

    An incident may end sooner than its echo does: by a person's word, or after a short quiet
    period.
    """
    found = set[Key]()
    for finding in told:
        lasts = ECHOES.get(finding.failure_mode.word)
        if lasts is None or finding.key in known:
            continue
        one = _track(finding, drawn, now)
        over = any(
            lifecycle.echoes(one, case, now, interval, settings)
            for case in cases.past.values()
            if now - (case.incident.resolved_at or 0.0) <= lasts and not case.incident.merged_into
        )
        if over and not any(link(other, one, settings) > 0.0 for other in known.values()):
            found.add(finding.key)
    return found


def _by_key(cases: Iterable[Case]) -> dict[Key, Case]:
    newest = sorted(cases, key=lambda case: (case.incident.resolved_at or 0.0, case.incident.id))
    return {one.key: case for case in newest for one in case.main()}


def _loudest(findings: Sequence[Finding]) -> list[Finding]:
    """Each key once: the most severe, then the surest statement; in a fixed order."""
    best: dict[Key, Finding] = {}
    for finding in findings:
        rival = best.get(finding.key)
        if rival is None or _loudness(finding) > _loudness(rival):
            best[finding.key] = finding
    return sorted(best.values(), key=lambda one: (one.since, *one.key))


def _loudness(finding: Finding) -> tuple[float, ...]:
    return (finding.severity.rank, finding.confidence, -finding.since)


def _track(finding: Finding, drawn: Map, now: float) -> Tracked:
    acts_on, seen_at = places(finding, drawn)
    return Tracked(
        mode=finding.failure_mode,
        entity=finding.entity,
        since=min(finding.since, now),
        first_at=now,
        last_at=now,
        severity=finding.severity,
        confidence=finding.confidence,
        text=finding.text,
        pool=finding.pool,
        model=finding.model,
        tenant=finding.tenant,
        acts_on=acts_on,
        seen_at=seen_at,
        evidence=finding.evidence,
        lost=lost_share(finding.pool, drawn),
    )


def _settle_in(cases: Cases, new: list[Tracked], now: float, settings: DeskSettings) -> None:
    placement = correlate(new, list(cases.live.values()), settings)
    for one, case in placement.joins:
        case.track(one)
        case.act(now, "joined", f"{one.mode.title}: {one.entity.label}")
    for merged, survivor in placement.merges:
        lifecycle.merge(merged, survivor, now)
        cases.add(merged)
    gone = _by_key(cases.past.values()) if placement.opens else {}
    for group in placement.opens:
        case = _open(group, now, settings, cases.past, gone)
        cases.live[case.incident.id] = case


def _open(
    group: list[Tracked],
    now: float,
    settings: DeskSettings,
    past: Mapping[str, Case],
    gone: Mapping[Key, Case],
) -> Case:
    """A new incident, which says so when it is the return of one that was told often enough."""
    ordered = carrying(group)
    first = root(ordered, settings)
    name = incident_id(first.mode, first.entity, first.since)
    if name in past:  # it has been told often enough, and its finding is dated as before
        name = incident_id(first.mode, first.entity, now)
    incident = Incident(
        id=name,
        failure_mode=first.mode,
        title="",
        headline="",
        severity=Severity.INFO,
        state=IncidentState.OPEN,
        opened_at=now,
        since=min(one.since for one in ordered),
        updated_at=now,
        entity=first.entity,
        pool=first.pool,
        model=first.model,
    )
    case = Case(incident.evolve(title=title(incident)))
    for one in group:
        case.track(one)
    before = gone.get(first.key)
    again = ""
    if before is not None and not before.incident.merged_into:
        case.reopened = before.reopened + 1
        again = f", again after {before.incident.id}"
    case.act(now, "opened", f"{first.mode.title}: {first.entity.label}{again}")
    return case
