"""Engines of one node died together, and neither node nor GPUs nor anybody's act explains it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors import _told
from detectors._evidence import by, say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Change, Entity, EntityKind, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array, Frame
from vocabulary.scene import Scene, Watch

STARTED = Watch(signals.ENGINE_START, 1800.0, 15.0)
POWER = Watch(signals.GPU_POWER, 1800.0, 30.0)

Restart = tuple[Replica, Change]
_ACTS = frozenset({"rollout", "model", "config", "scale", "driver"})


@dataclass(frozen=True, slots=True)
class ContainerLostGpu(Detector):
    """Containers on a node restarted together while its GPUs were well all along.

    Where device rules are dropped, every container that held a GPU loses it at once, and the host
    sees nothing. A node that was away, an Xid, a board that fell silent, a probe, memory that ran
    out, and a rollout are other causes, and all of them show.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.CONTAINER_LOST_GPU
    watches: ClassVar[tuple[Watch, ...]] = (
        STARTED, POWER, gpu_events.XID, gpu_events.RECOVERY,
    )  # fmt: skip

    news_seconds: float = 900.0
    """How long such restarts are news."""
    together_seconds: float = 30.0
    """How far apart they may be: two looks at the counts of a node's containers."""
    least: int = 2
    """Replicas: one engine dies of many things."""
    share: float = 0.6
    """Of the node's replicas that were up, those that restarted."""
    around_seconds: float = 180.0
    """How near to it another cause must show to explain it."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every node whose engines died together for no other reason."""
        by_node: dict[str, list[Restart]] = {}
        names = {one.entity: one for one in scene.replicas if one.node}
        for change in scene.changes:
            one = names.get(change.entity)
            if one and change.kind == "restart" and scene.now - change.at <= self.news_seconds:
                by_node.setdefault(one.node, []).append((one, change))
        for node, restarts in sorted(by_node.items()):
            burst = self._burst(restarts)
            there = [one for one in scene.replicas if one.node == node and one.gpus]
            many = len({one.entity for one, _ in burst})
            if many < self.least or many < self.share * len(there):
                continue
            at = min(change.at for _, change in burst)
            if not self._explained(scene, node, at, burst):
                yield self._finding(scene, node, at, burst)

    def _burst(self, restarts: Sequence[Restart]) -> list[Restart]:
        """The newest restarts that fell together with those of most others."""
        best: list[Restart] = []
        for _, first in restarts:
            near = [
                pair
                for pair in restarts
                if 0.0 <= pair[1].at - first.at <= self.together_seconds and pair[0].gpus
            ]
            if len({one.entity for one, _ in near}) >= max(1, len({o.entity for o, _ in best})):
                best = near
        return best

    def _explained(self, scene: Scene, node: str, at: float, burst: Sequence[Restart]) -> bool:
        """Whether the node, its GPUs, Kubernetes or somebody's act says why."""
        early, late = at - self.around_seconds, at + self.around_seconds
        if node in _told.lost_nodes(scene) or any(_other_end(change) for _, change in burst):
            return True
        pools = {one.pool for one, _ in burst}
        for change in scene.changes:
            if early - 600.0 <= change.at <= late:
                about_node = change.entity.kind is EntityKind.NODE and change.entity.id == node
                probed = change.kind == "probe" and change.pool in {"", *pools}
                if about_node or probed or (change.kind in _ACTS and change.pool in pools):
                    return True
        return self._gpus_ill(scene, node, early, late)

    def _gpus_ill(self, scene: Scene, node: str, early: float, late: float) -> bool:
        xids, power = scene.frame(gpu_events.XID), scene.frame(POWER)
        when = (xids.times >= early) & (xids.times <= late)
        if any(np.nansum(row[when]) > 0.0 for row in _on(xids, node)):
            return True
        if any(action != "none" for action, _ in gpu_events.advice(scene).values()):
            return True
        when = (power.times >= early) & (power.times <= min(late, scene.now - 30.0))
        rows = _on(power, node)
        return not rows or not all(np.isfinite(row[when]).mean() >= 0.7 for row in rows)

    def _finding(self, scene: Scene, node: str, at: float, burst: Sequence[Restart]) -> Finding:
        hit: dict[Entity, Replica] = {one.entity: one for one, _ in burst}
        started, entity = by(scene.frame(STARTED), "replica"), identity.node(node)
        spread = max(change.at for _, change in burst) - at
        text = (
            f"The engines of {len(hit)} containers on {node} died within"
            f" {max(spread, scene.interval):.0f} s of each other; the node and its GPUs were well."
        )
        evidence = [
            say(
                STARTED, one.entity, at, scene.now, f"It started anew: {change.what}"[:300],
                observed=float(started[one.entity.id][-1])
                if one.entity.id in started else float("nan"),
            )
            for one, change in burst[:10]
        ]  # fmt: skip
        pools = {one.pool for one in hit.values()}
        left = {one.pool for one in scene.replicas if one.state in _told.WORKS}
        first = next(iter(hit.values()))
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=at - 30.0,
            at=scene.now,
            severity=Severity.WARNING if pools <= left else Severity.CRITICAL,
            confidence=0.75,
            evidence=tuple(evidence),
            text=text[:290],
            pool=first.pool if len(pools) == 1 else "",
            model=first.model if len(pools) == 1 else "",
            related=tuple(hit)[:40],
        )


def _on(frame: Frame, node: str) -> list[Array]:
    return [row for labels, row in frame.rows() if labels.get("node") == node]


def _other_end(change: Change) -> bool:
    """A container that was killed, or ran out of memory, did not end by itself."""
    return "OOMKilled" in change.what or "was killed" in change.what
