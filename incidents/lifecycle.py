"""How an incident lives: open, acknowledged, mitigated, resolved; and when it may not be over yet.

Findings that stop are good news only while they would be seen: a target that vanished says
nothing, so its incident stays open until something takes its place, or for a day. And findings
that go on are no trouble when they only look back on a cause that is over.
"""

from collections.abc import Iterable

from incidents.correlation import link
from incidents.explains import ECHOES
from incidents.places import Map
from incidents.readings import Readings
from incidents.settings import DeskSettings
from incidents.tracking import Case, Tracked
from vocabulary.entities import Change, Entity, EntityKind, ReplicaState
from vocabulary.failure_modes import METRIC_RENAMED, TARGET_HUNG, TARGETS_GONE, Severity
from vocabulary.incidents import IncidentState

_PLANNED = frozenset({"rollout", "scale", "model"})
"""Kinds of change of a pool by which a replica leaves on purpose. That a replica itself was seen
to leave is what a planned act and a fault have in common, and proves nothing."""


UNREAD = frozenset({TARGETS_GONE, TARGET_HUNG, METRIC_RENAMED})
"""What makes it impossible to see that trouble has ended."""

GPU_UNSEEN_SECONDS = 120.0
"""A GPU that nobody has read for so long is not seen; our judgement, eight usual intervals."""


def advance(case: Case, drawn: Map, readings: Readings, settings: DeskSettings) -> None:
    """Move *case* on by what this tick shows."""
    now = readings.scene.now
    interval = readings.scene.interval
    found = [one for one in case.main() if one.active(now, interval)]
    if any(not echoes(one, case, now, interval, settings) for one in found):
        _carry_on(case, now)
        return
    context = [one for one in case.tracked.values() if one.active(now, interval)]
    if any(one.mode in UNREAD for one in context) or not _seen(case, drawn, readings):
        _blind(case, now, settings)
        return
    if case.blind_from is not None:
        case.blind_from, case.quiet_from = None, None
    if case.quiet_from is None:
        case.quiet_from = now
    _calm(case, now, settings)


def echoes(one: Tracked, case: Case, now: float, interval: float, settings: DeskSettings) -> bool:
    """Whether *one* is but the echo of what *case* found to cause it, and which is over.

    A symptom that outlives its own window is none: it keeps the incident open by itself.
    """
    lasts = ECHOES.get(one.mode.word)
    if lasts is None:
        return False
    others = case.tracked.values()
    # links are dear where one outage has thousands of findings: what is told by time goes first
    if any(o.active(now, interval) and link(o, one, settings) > 0.0 for o in others):
        return False
    return any(now - o.last_at <= lasts and link(o, one, settings) > 0.0 for o in others)


def quiet_period(case: Case, settings: DeskSettings) -> float:
    """Seconds without findings after which *case* is over: longer the more often it came back."""
    grown = settings.quiet_seconds * settings.flap_factor**case.reopened
    return min(grown, max(settings.quiet_seconds, settings.max_quiet_seconds))


def reopen(case: Case, now: float, why: str) -> None:
    """It is back: the same incident goes on, with its history."""
    case.reopened += 1
    case.paged_at, case.resolved_by = None, ""
    case.announced = {}
    case.quiet_from = case.blind_from = None
    case.incident = case.incident.evolve(
        state=IncidentState.OPEN, resolved_at=None, severity=Severity.INFO
    )
    case.act(now, "reopened", why)


def resolve(case: Case, now: float, who: str, text: str) -> None:
    """It is over."""
    case.incident = case.incident.evolve(state=IncidentState.RESOLVED, resolved_at=now)
    case.act(now, "resolved", text, who)


def merge(case: Case, survivor: Case, now: float) -> None:
    """*case* turned out to be part of *survivor*: its URL stays and points on.

    Of two that were told already the survivor was told as often as both; one that nobody has heard
    of yet is told still, for the end of the other is told.
    """
    survivor.tracked.update(case.tracked)
    if survivor.tellings:
        survivor.tellings += case.tellings
    survivor.act(now, "merged", f"took in {case.incident.id}: {case.incident.title}")
    survivor.incident = survivor.incident.evolve(
        since=min(survivor.incident.since, case.incident.since),
        evidence=(*survivor.incident.evidence, *case.incident.evidence),
    )
    case.incident = case.incident.evolve(merged_into=survivor.incident.id)
    resolve(case, now, "tidegauge", f"merged into {survivor.incident.id}")


def _carry_on(case: Case, now: float) -> None:
    case.quiet_from = case.blind_from = None
    if case.incident.state is IncidentState.MITIGATED:
        acknowledged = any(line.what == "acknowledged" for line in case.incident.activity)
        back = IncidentState.ACKNOWLEDGED if acknowledged else IncidentState.OPEN
        case.incident = case.incident.evolve(state=back)
        case.act(now, back.value, "findings are back before the quiet period was over")


def _blind(case: Case, now: float, settings: DeskSettings) -> None:
    case.quiet_from = None
    if case.blind_from is None:
        case.blind_from = now
        case.act(now, "blind", "findings stopped because nothing is seen here; not a recovery")
    elif now - case.blind_from >= settings.vanished_seconds:
        hours = settings.vanished_seconds / 3600.0
        resolve(case, now, "tidegauge", f"expired: unseen for {hours:g} h, recovery never observed")


def _calm(case: Case, now: float, settings: DeskSettings) -> None:
    quiet = now - (case.quiet_from if case.quiet_from is not None else now)
    if quiet >= quiet_period(case, settings):
        resolve(case, now, "tidegauge", f"no finding for {quiet / 60.0:.0f} min")
    elif quiet >= settings.mitigated_seconds and case.incident.state in (
        IncidentState.OPEN,
        IncidentState.ACKNOWLEDGED,
    ):
        case.incident = case.incident.evolve(state=IncidentState.MITIGATED)
        case.act(now, "mitigated", "findings stopped; resolved when they stay away")


def _seen(case: Case, drawn: Map, readings: Readings) -> bool:
    """Whether every entity that was in trouble can be seen now, or is gone for good."""
    return all(
        _observable(one.entity, drawn, readings) or _replaced(one, drawn, readings.scene.changes)
        for one in case.main()
    )


def _observable(entity: Entity, drawn: Map, readings: Readings) -> bool:
    """Whether the absence of trouble would show: tenants and routes are seen at the gateway."""
    if entity.kind in (EntityKind.TARGET, EntityKind.CLUSTER):
        return True
    if entity.kind in (EntityKind.TENANT, EntityKind.ROUTE):
        return readings.gateway_seen()
    gpu = drawn.gpus.get(entity.id) if entity.kind is EntityKind.GPU else None
    if gpu is not None:
        return gpu.last_seen >= readings.scene.now - GPU_UNSEEN_SECONDS
    return any(one.state is not ReplicaState.BLIND for one in drawn.around(entity))


def _replaced(one: Tracked, drawn: Map, changes: Iterable[Change]) -> bool:
    """Gone on purpose, or its pool has a newer replica that is seen: nobody waits for its return.

    A replica that is still there and blind is never replaced by a sibling.
    """
    if one.entity.kind is EntityKind.REPLICA and one.entity.id in drawn.replicas:
        return False
    siblings = drawn.by_pool.get(one.pool, [])
    newer = any(
        replica.first_seen > one.since and replica.state is not ReplicaState.BLIND
        for replica in siblings
    )
    planned = any(
        change.at >= one.since
        and (
            (
                change.kind in _PLANNED
                and change.entity.kind is EntityKind.POOL
                and one.pool in {change.pool, change.entity.id} - {""}
            )
            or (change.kind == "node" and str(change.entity) in one.acts_on)
        )
        for change in changes
    )
    return newer or (planned and any(r.state is not ReplicaState.BLIND for r in siblings))
