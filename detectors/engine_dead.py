"""An engine's process is gone or keeps restarting, while work for it arrives."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import by, say
from estimators.onset import Flags
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import EntityKind, Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 1800.0, 15.0)
STARTED = Watch(signals.ENGINE_START, 1800.0, 15.0)
XID = Watch(signals.GPU_XID, 1800.0, 30.0)


@dataclass(frozen=True, slots=True)
class EngineDead(Detector):
    """A replica refuses connections, or starts again and again.

    Nothing planned explains it, and somebody misses it: upstream calls fail, or siblings and the
    gateway carry on without it. When a whole pool cannot be read and its calls still succeed, it
    is the reading that is broken, and another detector says so.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ENGINE_DEAD
    watches: ClassVar[tuple[Watch, ...]] = (UP, STARTED, XID, *_gateway.WATCHES)

    hold_seconds: float = 45.0
    """Down for this long when upstream calls fail meanwhile, or when a restart or an Xid on its
    GPU says that it crashed: three reads at 15 s."""
    bridge_seconds: float = 180.0
    """Up for less than this between two times down is one failure: a process that comes back and
    dies at its first requests. Less than the 15 s between two looks counts as those."""
    quiet_seconds: float = 300.0
    """Down for this long when no call fails: as long as Kubernetes' longest restart back-off."""
    planned_seconds: float = 900.0
    """After a rollout, scaling or model swap of the pool: cold starts of 400 to 970 s are
    published for 8-GPU models."""
    restarts: int = 2
    """Starts within the half hour that make a loop: a rollout makes one."""
    paging_share: float = 0.05
    """Share of users' calls failing from which a dead replica wakes somebody."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every dead or looping replica."""
        failing, started = self._failing(scene), by(scene.frame(STARTED), "replica")
        for replica in scene.replicas:
            starts = _starts(started.get(replica.entity.id))
            looping = len(starts) >= self.restarts and scene.now - starts[-1] < 900.0
            # one that never answered since it was first seen is loading, and not meant here
            loading = replica.state is ReplicaState.LOADING
            down = None if loading else failing.get(replica.entity.id)
            if down is None and not looping:
                continue
            since = min(one for one in (down, *starts[:1]) if one) if looping else down or 0.0
            seen = _gateway.traffic(scene, replica.model, replica.pool)
            if looping or self._missed(scene, replica, since, seen):
                yield self._finding(scene, replica, since, starts if looping else (), seen)

    def _failing(self, scene: Scene) -> dict[str, float]:
        """Replica id → start of the failure that goes on now, short recoveries bridged."""
        frame = scene.frame(UP)
        nowhere = np.zeros(len(frame.times), dtype=bool)
        read: dict[str, Flags] = {}
        refused: dict[str, Flags] = {}
        for labels, row in frame.rows():
            name = labels.get("replica", "")
            if name and labels.get("verdict", "down") == "down":
                refused[name] = refused.get(name, nowhere) | (row == 0.0)
            if name:
                read[name] = read.get(name, nowhere) | (row == 1.0)
        found = {}
        for name, down in refused.items():
            moments = frame.times[down & ~read[name]]
            if moments.size and scene.now - moments[-1] <= 4.0 * scene.interval:
                breaks = np.flatnonzero(np.diff(moments) > max(self.bridge_seconds, UP.step))
                found[name] = float(moments[breaks[-1] + 1] if breaks.size else moments[0])
        return found

    def _missed(self, scene: Scene, replica: Replica, since: float, seen: _gateway.Traffic) -> bool:
        held = scene.now - since
        if self._planned(scene, replica, since) and held < self.planned_seconds:
            return False
        crashed = _restarted(scene, replica, since) or any(_xids(scene, replica, since))
        if crashed or seen.trouble(scene.now, since):
            return held >= self.hold_seconds
        if held < self.quiet_seconds:
            return False
        siblings_up = any(
            one.pool == replica.pool and one.state is not ReplicaState.BLIND
            for one in scene.replicas
        )
        if siblings_up:
            return True
        still_served = seen.served(max(since + 60.0, scene.now - 300.0), scene.now)
        return not still_served > 0.0

    def _planned(self, scene: Scene, replica: Replica, since: float) -> bool:
        return any(
            change.kind in {"scale", "rollout", "model", "config"}
            and change.entity.kind is EntityKind.POOL
            and change.pool == replica.pool
            and -900.0 <= change.at - since <= 60.0
            for change in scene.changes
        )

    def _finding(
        self,
        scene: Scene,
        replica: Replica,
        since: float,
        starts: tuple[float, ...],
        seen: _gateway.Traffic,
    ) -> Finding:
        share = seen.error_share(since, scene.now)
        alone = not any(
            one.pool == replica.pool and one.state is not ReplicaState.BLIND
            for one in scene.replicas
        )
        loud = share >= self.paging_share or alone
        what = (
            f"started {len(starts)} times in half an hour"
            if starts
            else f"has refused connections for {scene.now - since:.0f} s"
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=replica.entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if loud else Severity.WARNING,
            confidence=0.9,
            evidence=tuple(_evidence(scene, replica, since, starts, seen)),
            text=f"{replica.entity.label} {what}"
            + (f"; {share:.0%} of users' calls fail." if share > 0.0 else "."),
            pool=replica.pool,
            model=replica.model,
        )


def _restarted(scene: Scene, replica: Replica, since: float) -> bool:
    """Whether somebody saw this replica restart around the time it went down, or since."""
    return any(
        change.kind == "restart" and change.entity == replica.entity and change.at >= since - 60.0
        for change in scene.changes
    )


def _xids(scene: Scene, replica: Replica, since: float) -> Iterable[tuple[str, str]]:
    """Xids on this replica's GPUs around the time it went down, or since: GPU and code."""
    frame = scene.frame(XID)
    lately = frame.times >= since - 60.0
    for labels, row in frame.rows():
        if labels.get("gpu") in replica.gpus and np.nansum(row[lately]) > 0.0:
            yield labels["gpu"], labels.get("xid", "unknown")


def _starts(row: Array | None) -> tuple[float, ...]:
    """When the process started, each time it did in view."""
    if row is None:
        return ()
    values: Array = row[np.isfinite(row)]
    moved = np.flatnonzero(np.diff(values) > 1.0)
    return tuple(float(one) for one in values[moved + 1])


def _evidence(
    scene: Scene,
    replica: Replica,
    since: float,
    starts: tuple[float, ...],
    seen: _gateway.Traffic,
) -> Iterable[Evidence]:
    if starts:
        yield say(
            STARTED, replica.entity, since, scene.now,
            f"The process started {len(starts)} times since then.",
            observed=starts[-1],
        )  # fmt: skip
    else:
        yield say(
            UP, replica.entity, since, scene.now, "Connections are refused since then.",
            observed=0.0, expected=1.0, lower=1.0,
        )  # fmt: skip
    for gpu, xid in _xids(scene, replica, since):
        text = f"Xid {xid} on one of its GPUs around that time."
        yield say(XID, identity.gpu(gpu), since, scene.now, text, observed=1.0)
    share = seen.attempt_error_share(since, scene.now)
    if share > 0.0:
        usual = seen.attempt_error_share(float(seen.times[0]), since - _gateway.STEP)
        yield say(
            _gateway.ATTEMPT_ERRORS, replica.entity, since, scene.now,
            f"{share:.0%} of upstream calls fail"
            + (f", {usual:.1%} before." if np.isfinite(usual) else "."),
            observed=float(seen.attempt_errors[-1]),
        )  # fmt: skip
