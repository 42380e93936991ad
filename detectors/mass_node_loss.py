"""Several nodes are gone at once, and replicas with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway, _told
from detectors._evidence import say
from detectors._told import NodeLoss
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, EntityKind, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 1800.0, 15.0)
_SILENT = "every page on it is silent, and so are its GPUs"


@dataclass(frozen=True, slots=True)
class MassNodeLoss(Detector):
    """Nodes that nobody cordoned are gone within minutes of each other.

    Kubernetes says so, or every page and every GPU of a node fell silent while other nodes answer
    and upstream calls fail: a reader that died on its node leaves the same silence, and no errors.
    A planned drain cordons first, an autoscaler announces whom it takes away, and a node without
    replicas is nobody's loss.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.MASS_NODE_LOSS
    watches: ClassVar[tuple[Watch, ...]] = (UP, *_gateway.WATCHES)

    least_nodes: int = 2
    """One lost machine is what redundancy is for."""
    together_seconds: float = 600.0
    """Longest pause between two of them; reclaimed machines go within two minutes of notice."""
    silent_seconds: float = 120.0
    """How long a node must be silent where Kubernetes says nothing: eight reads at 15 s, twice
    the time after which Kubernetes itself gives a node up."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """The nodes that are gone, as one finding for each time it happened."""
        lost = [one for one in self._lost(scene) if not one.planned]
        for group in self._together(sorted(lost, key=lambda one: (one.since, one.name))):
            names = {one.name for one in group}
            hit = [
                one for one in scene.replicas if one.node in names and one.state not in _told.WORKS
            ]
            if len(group) >= self.least_nodes and hit and _missed(scene, hit, group[0].since):
                yield self._finding(scene, group, hit)

    def _lost(self, scene: Scene) -> Iterable[NodeLoss]:
        """Nodes said to be gone, or seen to be, unless something on them still answers."""
        told = _told.lost_nodes(scene)
        frame = scene.frame(UP)
        answered: dict[str, float] = {}
        sources: dict[str, set[bool]] = {}
        for labels, row in frame.rows():
            node, good = labels.get("node", ""), np.flatnonzero(row == 1.0)
            if node and good.size:
                answered[node] = max(answered.get(node, 0.0), float(frame.times[good[-1]]))
                of_gpu = labels.get("target", "").startswith("nvml/")
                sources.setdefault(node, set()).add(of_gpu)
        newest = max(answered.values(), default=0.0)
        for node in sorted({*told, *answered}):
            silent = newest - answered.get(node, 0.0)
            if node in told and silent > 4.0 * scene.interval:
                yield told[node]
            elif node in told or silent < self.silent_seconds or len(sources[node]) < 2:
                continue
            elif _failing(scene, node, answered[node]):
                yield NodeLoss(node, answered[node], False, f"{node}: {_SILENT}")

    def _together(self, lost: Sequence[NodeLoss]) -> Iterable[list[NodeLoss]]:
        group: list[NodeLoss] = []
        for one in lost:
            if group and one.since - group[-1].since > self.together_seconds:
                yield group
                group = []
            group.append(one)
        if group:
            yield group

    def _finding(self, scene: Scene, group: Sequence[NodeLoss], hit: Sequence[Replica]) -> Finding:
        since = group[0].since
        pools = sorted({one.pool for one in hit if one.pool})
        worst = min(pools, key=lambda pool: len(_told.members(scene, pool)[1]), default="")
        names = ", ".join(one.name for one in group[:4]) + (" …" if len(group) > 4 else "")
        left = len(_told.members(scene, worst)[1])
        text = (
            f"{len(group)} nodes are gone within {group[-1].since - since:.0f} s ({names}), and"
            f" {len(hit)} replicas with them; {left} of {worst or 'their pools'} still work."
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=_cluster(hit),
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL,
            confidence=0.95,
            evidence=tuple(_evidence(scene, one) for one in group[:20]),
            text=text[:290],
            pool=worst,
            model=next((one.model for one in hit if one.pool == worst), ""),
            related=(
                *(identity.node(one.name) for one in group[:20]),
                *(identity.pool(one) for one in pools[:10]),
                *(one.entity for one in hit[:40]),
            ),
        )


def _failing(scene: Scene, node: str, since: float) -> bool:
    """Whether calls to a model that *node* served fail since then."""
    models = {(one.model, one.pool) for one in scene.replicas if one.node == node}
    return any(
        _gateway.traffic(scene, model, pool).trouble(scene.now, since) for model, pool in models
    )


def _missed(scene: Scene, hit: Sequence[Replica], since: float) -> bool:
    """Whether a pool has not yet as many new replicas at work as it lost."""
    for pool in {one.pool for one in hit}:
        _, works = _told.members(scene, pool)
        lost = sum(one.pool == pool for one in hit)
        if sum(one.first_seen >= since for one in works) < lost:
            return True
    return False


def _cluster(hit: Sequence[Replica]) -> Entity:
    """The cluster they ran in; all of it where nobody names it."""
    named = (identity.parse_replica_id(one.entity.id) for one in hit)
    name = next((one.cluster for one in named if one), "")
    return Entity(EntityKind.CLUSTER, name or "all", name or "everything")


def _evidence(scene: Scene, one: NodeLoss) -> Evidence:
    return say(
        UP, identity.node(one.name), one.since, scene.now, f"{one.why}."[:300],
        observed=0.0, expected=1.0, lower=1.0,
    )  # fmt: skip
