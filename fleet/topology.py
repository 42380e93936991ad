"""What the fleet is now: replicas with their states, GPUs, changes; remembered between ticks."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fleet import identity, sighting
from fleet.changes import ChangeFeed
from fleet.sighting import Seen, Sightings
from fleet.states import Sight, StateRules
from vocabulary.entities import Change, Entity, Gpu, Replica, ReplicaState
from vocabulary.samples import Frame
from vocabulary.scene import Watch

SNAPSHOT_VERSION = 1


@dataclass(slots=True)
class Memory:
    """What is remembered of one replica from tick to tick, and over a restart."""

    first_seen: float
    last_seen: float
    identity: dict[str, str] = field(default_factory=dict)
    state: str = ""
    reason: str = ""
    since: float = 0.0
    ever_up: bool = False
    ever_moved: bool = False
    started: float | None = None
    slowest: float | None = None
    """Longest that all but one in a thousand requests took, in any hour since it started."""
    quiet_since: float | None = None
    """Since when nothing of it moved while work was there."""
    left: bool = False
    """It was said to have left; a return is an appearance."""


@dataclass(slots=True)
class FleetView:
    """Turns evaluated signals into replicas, GPUs and changes, tick by tick."""

    rules: StateRules = field(default_factory=StateRules)
    forget_seconds: float = 3600.0
    """A replica nobody has seen for this long is no longer part of the fleet."""
    gone_seconds: float = 120.0
    """Without a sample for this long a replica is said to have left."""
    feed: ChangeFeed = field(default_factory=ChangeFeed)
    _memories: dict[str, Memory] = field(default_factory=dict)
    _desired: dict[str, float] = field(default_factory=dict)
    _replicas: tuple[Replica, ...] = ()
    _gpus: tuple[Gpu, ...] = ()
    _settled: bool = False
    """False until the first look: what is there then has not just appeared."""

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Everything `update` will ask for."""
        return sighting.WATCHES

    def update(self, frame: Callable[[Watch], Frame], now: float) -> None:
        """Look at the signals of the moment *now*."""
        seen = sighting.look(frame)
        held = sighting.allocations(frame)
        for mistaken in seen.elsewhere:
            self._memories.pop(mistaken, None)
        for replica_id, one in seen.replicas.items():
            self._notice(replica_id, one, seen, now)
        for replica_id in self._memories:
            self._judge(replica_id, seen, now)
        self._notice_desired(frame, now)
        self._retire(now)
        self._replicas = tuple(
            self._replica(replica_id, held) for replica_id in sorted(self._memories)
        )
        self._gpus = sighting.gpus(frame, held)
        self.feed.forget_before(now)
        self._settled = self._settled or bool(self._memories)

    def replicas(self) -> tuple[Replica, ...]:
        """Every replica known now, by id."""
        return self._replicas

    def gpus(self) -> tuple[Gpu, ...]:
        """Every GPU known now, by node and uuid."""
        return self._gpus

    def changes(self) -> tuple[Change, ...]:
        """Changes of the last day, oldest first."""
        return tuple(self.feed)

    def add_change(self, change: Change) -> bool:
        """Take a change somebody told us of; False when it is known already."""
        return self.feed.add(change)

    def snapshot(self) -> dict[str, Any]:
        """All that must survive a restart, as plain data."""
        return {
            "version": SNAPSHOT_VERSION,
            "replicas": {name: asdict(memory) for name, memory in self._memories.items()},
            "desired": dict(self._desired),
            "changes": self.feed.snapshot(),
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """The reverse of snapshot; a snapshot of another version is left alone."""
        if body.get("version") != SNAPSHOT_VERSION:
            return
        self._memories = {name: Memory(**one) for name, one in body["replicas"].items()}
        self._desired = dict(body["desired"])
        self.feed.restore(body["changes"])
        self._settled = bool(self._memories)

    def _notice(self, replica_id: str, seen: Seen, all_seen: Sightings, now: float) -> None:
        """Bring the memory of one replica up to date and note what changed about it."""
        known = np.flatnonzero(np.isfinite(seen.up))
        last = float(all_seen.times[known[-1]])
        first = float(all_seen.times[known[0]])
        memory = self._memories.get(replica_id)
        if memory is None and now - last >= self.gone_seconds:
            return  # it left before we came, or we let it go: its past is still in view
        if memory is None or (memory.left and last > memory.last_seen):
            appeared = Memory(first if memory is None else last, last)
            if self._settled and (memory is None or last > memory.last_seen):
                self._note_appearance(replica_id, seen, appeared.first_seen)
            memory = self._memories[replica_id] = appeared
        elif self._settled:
            self._note_version(replica_id, memory, seen, now)
        memory.last_seen = max(memory.last_seen, last)
        memory.identity.update(seen.identity)
        memory.ever_up = memory.ever_up or bool((seen.up == 1.0).any())
        self._note_restart(replica_id, memory, all_seen)

    def _note_appearance(self, replica_id: str, seen: Seen, at: float) -> None:
        pool = seen.identity.get("pool", "")
        version = seen.identity.get("version", "")
        others = [m.identity for m in self._memories.values() if m.identity.get("pool") == pool]
        old = {one.get("version", "") for one in others} - {"", version}
        told = self.feed.planned(pool, at - 3600.0, at)
        if version and old and not told and version not in {m.get("version") for m in others}:
            what = f"{', '.join(sorted(old))} → {version}"
            self.feed.add(Change(at, "rollout", identity.pool(pool), what, pool))
        else:
            entity = identity.replica(replica_id, seen.identity.get("pod", ""))
            self.feed.add(Change(at, "scale", entity, f"{entity.label} appeared", pool))

    def _note_version(self, replica_id: str, memory: Memory, seen: Seen, now: float) -> None:
        pool = memory.identity.get("pool", "")
        for label, kind in (("version", "rollout"), ("model", "model")):
            old, new = memory.identity.get(label, ""), seen.identity.get(label, "")
            if old and new and old != new:
                what = f"{label} {old} → {new}"
                self.feed.add(Change(now, kind, self._entity(replica_id), what, pool))

    def _note_restart(self, replica_id: str, memory: Memory, seen: Sightings) -> None:
        row = seen.row(sighting.STARTED, replica_id)
        known = row[np.isfinite(row)]
        if not known.size:
            return
        started = float(known[-1])
        if memory.started is not None and started > memory.started + 1.0:
            memory.ever_moved, memory.slowest = False, None
            pool = memory.identity.get("pool", "")
            entity = self._entity(replica_id)
            self.feed.add(Change(started, "restart", entity, f"{entity.label} restarted", pool))
        memory.started = started

    def _notice_desired(self, frame: Callable[[Watch], Frame], now: float) -> None:
        for labels, row in frame(sighting.DESIRED).rows():
            pool, wanted = labels.get("pool", ""), float(row[-1])
            if not pool or not np.isfinite(wanted):
                continue
            before = self._desired.get(pool)
            if before is not None and before != wanted:
                what = f"replicas asked for {before:g} → {wanted:g}"
                self.feed.add(Change(now, "scale", identity.pool(pool), what, pool))
            self._desired[pool] = wanted

    def _judge(self, replica_id: str, seen: Sightings, now: float) -> None:
        memory = self._memories[replica_id]
        one = seen.replicas.get(replica_id)
        heartbeat = seen.heartbeat(replica_id)
        this_life = seen.times >= (memory.started or 0.0)
        memory.ever_moved = memory.ever_moved or bool((heartbeat[this_life] > 0.0).any())
        if replica_id in seen.slowest:
            memory.slowest = max(memory.slowest or 0.0, seen.slowest[replica_id])
        sight = Sight(
            times=seen.times,
            up=one.up if one else np.full(len(seen.times), np.nan),
            verdict=one.verdict if one else "",
            running=seen.row(sighting.RUNNING, replica_id),
            waiting=seen.row(sighting.WAITING, replica_id),
            heartbeat=heartbeat,
            finished=seen.finished(replica_id),
            awake=seen.row(sighting.AWAKE, replica_id),
            kv_usage=seen.row(sighting.KV_USAGE, replica_id),
            ever_up=memory.ever_up,
            ever_moved=memory.ever_moved,
            first_seen=memory.first_seen,
            started=memory.started,
            slowest=np.nan if memory.slowest is None else memory.slowest,
            quiet_since=memory.quiet_since,
        )
        memory.quiet_since = self.rules.quiet_since(sight)
        verdict = self.rules.judge(sight)
        same = memory.state == verdict.state.value and (
            verdict.state is not ReplicaState.BLIND or memory.reason == verdict.reason
        )
        memory.since = memory.since if same else min(verdict.since, now)
        memory.state, memory.reason = verdict.state.value, verdict.reason

    def _retire(self, now: float) -> None:
        """Let go of replicas that left as planned, and of those nobody has seen for long."""
        for replica_id, memory in list(self._memories.items()):
            silent = now - memory.last_seen
            pool = memory.identity.get("pool", "")
            if silent >= self.gone_seconds and not memory.left:
                memory.left = True
                entity = self._entity(replica_id)
                what = f"{entity.label} is no longer seen"
                self.feed.add(Change(memory.last_seen, "scale", entity, what, pool))
            span = (memory.last_seen - 900.0, memory.last_seen + 900.0)
            planned = memory.left and self.feed.planned(pool, *span)
            if planned or silent >= self.forget_seconds:
                del self._memories[replica_id]

    def _entity(self, replica_id: str) -> Entity:
        """The replica by id, called by its pod's name where it has one."""
        return identity.replica(replica_id, self._memories[replica_id].identity.get("pod", ""))

    def _replica(self, replica_id: str, held: Mapping[str, tuple[str, ...]]) -> Replica:
        memory = self._memories[replica_id]
        about = memory.identity
        return Replica(
            entity=self._entity(replica_id),
            pool=about.get("pool", ""),
            model=about.get("model", ""),
            engine=about.get("engine", ""),
            state=ReplicaState(memory.state),
            since=memory.since,
            reason=memory.reason,
            version=about.get("version", ""),
            node=about.get("node", ""),
            gpus=tuple(sorted(gpu for gpu, names in held.items() if replica_id in names)),
            first_seen=memory.first_seen,
            target=about.get("target", ""),
            pod=about.get("pod", ""),
        )
