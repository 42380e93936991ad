"""New pods of a pool cannot be started, because their image cannot be pulled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from detectors import _told
from detectors._evidence import say
from detectors._told import WaitingPod
from fleet import identity
from vocabulary import failure_modes, signals, statements
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 900.0, 60.0)
REASONS = (
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
)  # fmt: skip
"""Why a container waits when its image is to blame (kubelet sources, `pkg/kubelet/images`)."""


@dataclass(frozen=True, slots=True)
class PullFailure(Detector):
    """An image cannot be pulled for as long as a registry's hiccup does not last.

    Pods that run are not touched; the next one that is killed, moved or added is. Models that a
    server loads for itself are not seen here: those pods start, and do not become ready.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PULL_FAILURE
    watches: ClassVar[tuple[Watch, ...]] = (UP,)

    hold_seconds: float = 600.0
    """How long it must fail: a kubelet tries again after up to five minutes, and rate limits are
    counted over as long."""
    alone_seconds: float = 120.0
    """How long where nothing else of the pool works. Our judgement."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool with such pods, once."""
        found = _told.waiting_pods(scene, statements.CANNOT_START, statements.CAN_START, _works)
        for pool, every in sorted(found.items()):
            pods = [one for one in every if any(reason in one.why for reason in REASONS)]
            known, works = _told.members(scene, pool)
            patience = self.hold_seconds if works or not known else self.alone_seconds
            if pool and pods and scene.now - pods[0].since >= patience:
                yield self._finding(scene, pool, pods, alone=bool(known) and not works)

    def _finding(
        self, scene: Scene, pool: str, pods: Sequence[WaitingPod], *, alone: bool
    ) -> Finding:
        entity, first = identity.pool(pool), pods[0]
        known, works = _told.members(scene, pool)
        text = f"{len(pods)} pods of {pool} cannot start {first.why.rstrip('.')}."
        evidence = say(
            UP, entity, first.since, scene.now, text[:300],
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
            text=f"{text[:250]} {len(works)} replicas work."[:290],
            pool=pool,
            model=known[0].model if known else "",
            related=tuple(one.entity for one in known[:40]),
        )


def _works(replica: Replica) -> bool:
    return replica.state in _told.WORKS
