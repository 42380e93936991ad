"""GPUs are held by replicas that nobody calls."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

DAY = 86_400.0
TOKENS = Watch(signals.HOURLY_INPUT, DAY, 1800.0, every=1800.0)
BUSY = Watch(signals.GPU_UTILIZATION, DAY, 900.0, every=1800.0)


@dataclass(frozen=True, slots=True)
class IdleGpu(Detector):
    """No call and no work for a day, on GPUs that a replica holds.

    Several replicas of one pool are one finding. A replica that is kept warm on purpose looks the
    same: silence it by its pool.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.IDLE_GPU
    watches: ClassVar[tuple[Watch, ...]] = (TOKENS, BUSY)

    busy: float = 0.01
    """Share of time in which a kernel ran, from which a GPU is used."""
    known_share: float = 0.9
    """Share of the day that must be known."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool with replicas that nobody needed for a day."""
        tokens, busy = by(scene.frame(TOKENS), "replica"), by(scene.frame(BUSY), "gpu")
        for pool in sorted({one.pool for one in scene.replicas}):
            idle = [
                one
                for one in scene.replicas
                if one.pool == pool
                and one.gpus
                and one.state is not ReplicaState.BLIND
                and self._still(tokens.get(one.entity.id), 0.0)
                and all(self._still(busy.get(gpu), self.busy) for gpu in one.gpus)
            ]
            if idle:
                yield self._finding(scene, pool, sorted(idle, key=lambda one: one.entity.id))

    def _still(self, row: Array | None, most: float) -> bool:
        if row is None or np.isfinite(row).mean() < self.known_share:
            return False
        return bool(np.nanmax(row) <= most)

    def _finding(self, scene: Scene, pool: str, idle: list[Replica]) -> Finding:
        entity = identity.pool(pool) if pool else idle[0].entity
        gpus = sum(len(one.gpus) for one in idle)
        text = (
            f"Not called once in the last day: {len(idle)} of the replicas of {entity.label}, "
            f"which hold {gpus} {'GPU' if gpus == 1 else 'GPUs'}."
        )
        evidence = say(
            TOKENS, entity, scene.now - DAY + 1.0, scene.now, text, observed=0.0
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=scene.now - DAY + 1.0,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=idle[0].model,
            related=tuple(one.entity for one in idle)[:50],
        )
