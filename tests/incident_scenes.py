"""A small fleet to tell stories about: replicas, GPUs, series, findings, and a desk over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from incidents.desk import IncidentDesk
from store.records import IncidentRecords
from vocabulary import failure_modes as f
from vocabulary.entities import Change, Entity, EntityKind, Gpu, GpuShare, Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.incidents import Cause, EvidenceRecord, Incident, IncidentState, NearbyChange
from vocabulary.samples import Frame, empty_frame, labels_of
from vocabulary.scene import Scene, Watch

NOON = 1_764_072_000.0
"""A Tuesday noon, UTC."""

INTERVAL = 15.0


@dataclass
class Clock:
    """Time that a test moves."""

    moment: float = NOON

    def now(self) -> float:
        return self.moment

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


def replica_id(pool: str, number: int) -> str:
    namespace, _, name = pool.rpartition("/")
    return f"east/{namespace or 'prod'}/uid-{name}-{number}/engine"


def replica(
    pool: str, number: int, state: ReplicaState = ReplicaState.SERVING, **more: Any
) -> Replica:
    name = pool.rpartition("/")[2]
    return replace(
        Replica(
            entity=Entity(EntityKind.REPLICA, replica_id(pool, number), f"{name}-{number}"),
            pool=pool,
            model=f"model-{name}",
            engine="vllm",
            state=state,
            since=NOON - 7200,
            reason="steps move",
            version="0.32.0",
            node=f"node-{name}-{number}",
            gpus=(f"GPU-{name}-{number}",),
            first_seen=NOON - 86400,
            target=f"http://10.0.0.{number}:8000/metrics",
            pod=f"{name}-{number}",
        ),
        **more,
    )


@dataclass
class World:
    """What a scene is made of."""

    now: float = NOON
    replicas: list[Replica] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    series: dict[str, list[tuple[Mapping[str, str], Sequence[float]]]] = field(default_factory=dict)
    """By signal: rows of labels and of values by minute, the newest last."""
    shares: dict[str, tuple[GpuShare, ...]] = field(default_factory=dict)
    """By GPU: whose its parts are."""

    def add_pool(self, pool: str = "prod/chat", size: int = 3) -> list[Replica]:
        made = [replica(pool, number) for number in range(size)]
        self.replicas.extend(made)
        return made

    def set_state(self, entity: Entity, state: ReplicaState) -> None:
        self.replicas = [
            replace(one, state=state) if one.entity == entity else one for one in self.replicas
        ]

    def gpus(self) -> tuple[Gpu, ...]:
        return tuple(
            Gpu(
                Entity(EntityKind.GPU, uuid), one.node, 0, "H100", (one.entity.id,), self.now,
                self.shares.get(uuid, ()),
            )
            for one in self.replicas
            for uuid in one.gpus
        )  # fmt: skip

    def scene(self) -> Scene:
        return Scene(
            now=self.now,
            frame=self._frame,
            replicas=tuple(self.replicas),
            gpus=self.gpus(),
            changes=tuple(self.changes),
            interval=INTERVAL,
        )

    def _frame(self, watch: Watch) -> Frame:
        columns = 1 + round(watch.lookback / watch.step)
        times = self.now - watch.step * np.arange(columns)[::-1]
        rows = self.series.get(watch.signal.name, [])
        if not rows:
            return empty_frame(times)
        values = np.full((len(rows), columns), np.nan)
        for index, (_, newest) in enumerate(rows):
            told = np.asarray(newest, dtype=float)[-columns:]
            values[index, columns - len(told) :] = told
        return Frame(tuple(labels_of(labels) for labels, _ in rows), times, values)


def finding(
    mode: FailureMode,
    subject: Replica | Entity,
    now: float = NOON,
    *,
    since: float | None = None,
    severity: Severity = Severity.CRITICAL,
    confidence: float = 0.9,
    evidence: tuple[Evidence, ...] | None = None,
    **more: Any,
) -> Finding:
    entity = subject.entity if isinstance(subject, Replica) else subject
    if isinstance(subject, Replica):
        more = {"pool": subject.pool, "model": subject.model, **more}
    began = now - 120.0 if since is None else since
    seen = evidence
    if seen is None:
        seen = (
            Evidence(
                "requests_waiting", entity, began, now, 9.0, "9 requests wait", 1.0, unit="requests"
            ),
        )
    return Finding(
        failure_mode=mode,
        entity=entity,
        since=began,
        at=now,
        severity=severity,
        confidence=confidence,
        evidence=seen,
        text=f"{mode.title} at {entity.label}",
        **more,
    )


def pool_entity(pool: str = "prod/chat") -> Entity:
    return Entity(EntityKind.POOL, pool)


def gpu_of(one: Replica) -> Entity:
    return Entity(EntityKind.GPU, one.gpus[0])


def tenant(name: str) -> Entity:
    return Entity(EntityKind.TENANT, name)


def stalled(one: Replica, now: float = NOON, **more: Any) -> Finding:
    return finding(f.ENGINE_STALLED, one, now, **more)


class Story:
    """A desk that is told findings tick by tick."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path, self.options = path, options
        self.clock, self.world = Clock(), World()
        self.records = IncidentRecords(path)
        self.desk = IncidentDesk(self.records, (), self.clock, **options)

    def tick(self, *findings: Finding, after: float = INTERVAL) -> list[Incident]:
        self.clock.moment += after
        self.world.now = self.clock.moment
        return self.desk.tick(findings, self.world.scene())

    def hold(self, seconds: float, *makers: Callable[[float], Finding]) -> list[Incident]:
        """Tick on for *seconds*, findings made anew each time."""
        changed: list[Incident] = []
        for _ in range(round(seconds / INTERVAL)):
            now = self.clock.moment + INTERVAL
            changed = self.tick(*(make(now) for make in makers)) or changed
        return changed

    def restart(self) -> None:
        self.records.close()
        self.records = IncidentRecords(self.path)
        self.desk = IncidentDesk(self.records, (), self.clock, **self.options)

    def incidents(self) -> list[Incident]:
        return self.desk.list(limit=500)[0]

    def only(self) -> Incident:
        found = self.incidents()
        assert len(found) == 1, [(one.id, one.title, one.state) for one in found]
        return found[0]


def incident_about(
    mode: FailureMode,
    *entities: Entity,
    pool: str = "prod/chat",
    model: str = "model-chat",
    **more: Any,
) -> Incident:
    return Incident(
        id="inc-0123456789ab",
        failure_mode=mode,
        title=mode.title,
        headline="",
        severity=Severity.CRITICAL,
        state=IncidentState.OPEN,
        opened_at=NOON,
        since=NOON - 300,
        updated_at=NOON,
        entity=entities[0],
        entities=entities,
        pool=pool,
        model=model,
        causes=(Cause(mode, entities[0], 0.8, "because"),),
        **more,
    )


def rollout(offset: float = -240.0, kind: str = "rollout") -> NearbyChange:
    entity = Entity(EntityKind.POOL, "prod/chat")
    return NearbyChange(NOON - 300 + offset, kind, entity, "image vllm 0.32.0 → 0.33.0", offset)


def spending(tenant: str, usual: bool = True) -> Incident:
    entity = Entity(EntityKind.TENANT, tenant)
    rates = {
        "tenant_calls_per_second": 1.0,
        "tenant_input_tokens_per_second": 2000.0,
        "tenant_output_tokens_per_second": 100.0,
    }
    evidence = tuple(
        EvidenceRecord(
            f"e-{name}", name, entity, "", NOON - 300, NOON, 10.0 * rate,
            rate if usual else None, None, None, "", "ten times the usual",
        )
        for name, rate in rates.items()
    )  # fmt: skip
    return incident_about(f.COST_SPIKE, entity, pool="", tenants=(tenant,), evidence=evidence)
