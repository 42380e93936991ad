"""A pod of a pool waits for a node, and none has room for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from detectors import _told
from detectors._evidence import say
from detectors._told import WaitingPod
from fleet import identity
from vocabulary import failure_modes, signals, statements
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

ALLOCATED = Watch(signals.GPU_ALLOCATION, 600.0, 60.0)


@dataclass(frozen=True, slots=True)
class PodPending(Detector):
    """Kubernetes finds no node for a pod that serves models.

    Free GPUs may well be seen: scattered over nodes they are no use to a pod that needs several,
    and taints and quotas keep others away. The scheduler's own words say which.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.POD_PENDING
    watches: ClassVar[tuple[Watch, ...]] = (ALLOCATED,)

    hold_seconds: float = 900.0
    """How long a pod must wait: kube-prometheus' KubePodNotReady allows fifteen minutes, in which
    a node can be provisioned."""
    alone_seconds: float = 180.0
    """How long where nothing else of the pool works. Our judgement."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool with such pods, once."""
        found = _told.waiting_pods(scene, statements.NO_NODE, statements.NODE_FOUND, lambda _: True)
        for pool, pods in sorted(found.items()):
            known, works = _told.members(scene, pool)
            patience = self.hold_seconds if works or not known else self.alone_seconds
            if pool and scene.now - pods[0].since >= patience:
                yield self._finding(scene, pool, pods, alone=bool(known) and not works)

    def _finding(
        self, scene: Scene, pool: str, pods: Sequence[WaitingPod], *, alone: bool
    ) -> Finding:
        entity, first = identity.pool(pool), pods[0]
        known, works = _told.members(scene, pool)
        free = sum(not one.replicas for one in scene.gpus)
        told = scene.frame(ALLOCATED)
        seen = f" {free} GPUs are seen that no replica holds." if not told.empty else ""
        text = f"{len(pods)} pods of {pool} find no node: {first.why.rstrip('.')}."
        evidence = say(
            ALLOCATED, entity, first.since, scene.now, f"{text}{seen}"[:300],
            observed=float(len(pods)), expected=0.0, upper=0.0,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=first.since,
            at=scene.now,
            severity=Severity.CRITICAL if alone else Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=f"{text} {len(works)} replicas work."[:290],
            pool=pool,
            model=known[0].model if known else "",
            related=tuple(one.entity for one in known[:40]),
        )
