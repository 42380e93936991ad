"""Pages vanished from our reading while what is behind them still works."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, say, span
from fleet import identity
from fleet.states import ANSWERS
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, EntityKind, Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 7200.0, 60.0)
FINISHED = Watch(signals.FINISHED_RATE, 3600.0, 30.0)
GPU_BUSY = Watch(signals.GPU_UTILIZATION, 7200.0, 60.0)
DESIRED = Watch(signals.POOL_DESIRED, 900.0, 60.0)


@dataclass(frozen=True, slots=True)
class TargetsGone(Detector):
    """Telemetry is lost: targets are gone and their traffic is not.

    Requests are conserved: what the gateway gets answered, some engine finishes. When the engines
    we still read finish much less of it than before, some work is done where we do not look. A
    scale-in leaves that share as it was, and a model swap ends the traffic itself.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.TARGETS_GONE
    watches: ClassVar[tuple[Watch, ...]] = (UP, FINISHED, GPU_BUSY, DESIRED, *_gateway.WATCHES)

    hold_seconds: float = 600.0
    """Silence before we speak: the usual ten minutes of a TargetDown alert, and more than ten
    missed reads."""
    lost_share: float = 0.2
    """Share of answered calls that no engine we read accounts for any more."""
    left_share: float = 0.2
    """Traffic below this share of before has left together with the targets."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Pools, gateways and nodes whose telemetry is lost; one finding when all is lost."""
        everything = self._everything(scene)
        if everything is not None:
            yield everything
            return
        for pool in sorted({one.pool for one in scene.replicas}):
            members = [one for one in scene.replicas if one.pool == pool]
            gone = [one for one in members if self._gone(scene, one)]
            if gone:
                yield from self._pool(scene, pool, members, gone)
        yield from self._gateways(scene)
        yield from self._nodes(scene)

    def _gone(self, scene: Scene, replica: Replica) -> bool:
        unread = replica.state is ReplicaState.BLIND and replica.reason not in ANSWERS
        return unread and scene.now - replica.since >= self.hold_seconds

    def _everything(self, scene: Scene) -> Finding | None:
        frame = scene.frame(UP)
        if frame.empty or np.isfinite(frame.values[:, -1]).any():
            return None
        last = float(frame.times[np.isfinite(frame.values).any(axis=0)][-1])
        if scene.now - last < self.hold_seconds:
            return None
        entity = Entity(EntityKind.CLUSTER, "all", "everything")
        return self._finding(
            scene, entity, last, Severity.CRITICAL, 0.95,
            "Nothing is read any more: no target has given a sample since then.",
            tuple(one.entity for one in scene.replicas),
        )  # fmt: skip

    def _pool(
        self, scene: Scene, pool: str, members: list[Replica], gone: list[Replica]
    ) -> Iterable[Finding]:
        since = min(one.since for one in gone)
        if _planned(scene, pool, since) or self._asked_for_fewer(scene, pool, members, gone):
            return
        seen = _gateway.traffic(scene, members[0].model, pool)
        if seen.known:
            lost = self._lost(scene, pool, since, seen)
            if lost is None:
                return
            text = f"{lost:.0%} of the calls answered by {pool} are finished where nothing is read"
            confidence = 0.9
        else:
            fixed = all(one.entity.id.startswith(identity.STATIC) for one in gone)
            silent = all(one.reason == "not scraped" for one in gone)
            if not silent or (len(gone) < len(members) and not fixed):
                return
            text = f"{len(gone)} of {len(members)} targets of {pool} are gone, and nobody asked"
            confidence = 0.5
        yield self._finding(
            scene, identity.pool(pool), since, Severity.WARNING, confidence, f"{text}.",
            tuple(one.entity for one in gone), pool, members[0].model,
        )  # fmt: skip

    def _lost(self, scene: Scene, pool: str, since: float, seen: _gateway.Traffic) -> float | None:
        """Share of answered calls no engine we read accounts for; None when all are accounted."""
        frame = scene.frame(FINISHED)
        rows = frame.where(pool=pool).values
        visible = np.nansum(rows, axis=0) if rows.size else np.zeros(len(frame.times))
        served_now = seen.served(scene.now - 300.0, scene.now)
        served_before = seen.served(since - 1800.0, since - 60.0)
        if not served_now > self.left_share * served_before:
            return None
        finished_now = average(span(frame.times, visible, scene.now - 300.0, scene.now))
        finished_before = average(span(frame.times, visible, since - 1800.0, since - 60.0))
        usual = min(finished_before / served_before, 1.0)
        covered = finished_now / served_now
        lost = 1.0 - covered / usual if usual > 0.1 else float("nan")
        return lost if lost >= self.lost_share else None

    def _asked_for_fewer(
        self, scene: Scene, pool: str, members: list[Replica], gone: list[Replica]
    ) -> bool:
        row = scene.frame(DESIRED).row(pool=pool)
        return row is not None and len(members) - len(gone) >= row[-1]

    def _gateways(self, scene: Scene) -> Iterable[Finding]:
        """A gateway that is not read takes with it every figure that users feel.

        One and the same gateway may be read at another address since: only its replica counts. And
        one that was replaced or scaled in left its calls to others, which are read.
        """
        frame = scene.frame(UP)
        rows: dict[str, tuple[str, Array]] = {}
        for labels, row in frame.rows():
            url = labels.get("target", "")
            if labels.get("vantage") == "gateway" and url:
                good = np.where(row == 1.0, 1.0, np.nan)
                known = labels.get("replica") or url
                _url, before = rows.get(known, (url, np.full(len(row), np.nan)))
                rows[known] = url, np.where(np.isfinite(good), good, before)
        for url, row in rows.values():
            read = np.flatnonzero(np.isfinite(row))
            if not read.size:
                continue
            last = float(frame.times[read[-1]])
            if scene.now - last < self.hold_seconds or not _works(scene):
                continue
            if not self._seen_elsewhere(scene, last):
                yield self._finding(
                    scene, identity.target(url), last, Severity.CRITICAL, 0.8,
                    "The gateway is not read any more while engines serve: errors and latency as"
                    " users feel them are not known.",
                    (),
                )  # fmt: skip

    def _seen_elsewhere(self, scene: Scene, last: float) -> bool:
        """Whether gateways still see as much of what engines finish as before *last*."""
        now = _share_seen(scene, scene.now - 300.0, scene.now)
        before = _share_seen(scene, last - 1800.0, last - 60.0)
        usual = before if before > 0.0 else 1.0  # longer ago than is looked at, or unknown
        return bool(now >= (1.0 - self.lost_share) * usual)

    def _nodes(self, scene: Scene) -> Iterable[Finding]:
        """All GPUs of a node are silent while its replicas serve: the exporter, not the node."""
        frame = scene.frame(GPU_BUSY)
        serving = {one.node for one in scene.replicas if one.state is ReplicaState.SERVING} - {""}
        for node in sorted(serving):
            shown = np.isfinite(frame.where(node=node).values)
            if not shown.size or shown[:, -1].any():
                continue
            last = float(frame.times[np.flatnonzero(shown.any(axis=0))[-1]])
            if scene.now - last >= self.hold_seconds:
                yield self._finding(
                    scene, identity.node(node), last, Severity.WARNING, 0.8,
                    f"No GPU of {node} is seen any more while its replicas serve.", (),
                )  # fmt: skip

    def _finding(
        self,
        scene: Scene,
        entity: Entity,
        since: float,
        severity: Severity,
        confidence: float,
        text: str,
        related: tuple[Entity, ...],
        pool: str = "",
        model: str = "",
    ) -> Finding:
        evidence = say(UP, entity, since, scene.now, text, observed=0.0, expected=1.0, lower=1.0)
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=severity,
            confidence=confidence,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=model,
            related=related[:50],
        )


def _planned(scene: Scene, pool: str, since: float) -> bool:
    return any(
        change.kind in {"scale", "rollout", "model"}
        and change.entity.kind is EntityKind.POOL
        and pool in {change.pool, change.entity.id}
        and abs(change.at - since) <= 900.0
        for change in scene.changes
    )


def _share_seen(scene: Scene, start: float, end: float) -> float:
    """Calls that gateways passed on, of those that engines finished; NaN where neither is known."""
    passed, finished = (
        average(span(frame.times, np.nansum(frame.values, axis=0), start, end))
        for frame in (scene.frame(_gateway.ATTEMPTS), scene.frame(FINISHED))
    )
    return passed / finished if finished > 0.0 else float("nan")


def _works(scene: Scene) -> bool:
    return any(
        one.state in {ReplicaState.SERVING, ReplicaState.SATURATED} for one in scene.replicas
    )
