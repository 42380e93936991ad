"""A replica came up with a smaller KV cache than its siblings have."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, middle, newest, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

CAPACITY = Watch(signals.KV_CAPACITY, 14_400.0, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class ShrunkKvCache(Detector):
    """The KV cache of one replica is smaller than those of siblings like it.

    An engine sizes its cache by the memory it finds free at the start: what a dead process or a
    neighbour holds is missing for as long as it lives. Siblings are those of the same pool, model
    and version on the same GPUs; with a single one of them nobody can say which is right.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.SHRUNK_KV_CACHE
    watches: ClassVar[tuple[Watch, ...]] = (CAPACITY,)

    least_share: float = 0.9
    """Of the siblings' median; profiling the same GPU twice differs by a few per cent at most. Our
    judgement."""
    siblings: int = 2
    """Fewest siblings that must agree."""
    agreement: float = 0.05
    """How far siblings may lie from their own median and still agree."""
    hold_seconds: float = 180.0
    """How long it must be so."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose cache came out too small."""
        rows = by(scene.frame(CAPACITY), "replica")
        kinds = {gpu.entity.id: gpu.model for gpu in scene.gpus}
        groups: dict[tuple[object, ...], list[Replica]] = {}
        for one in scene.replicas:
            if np.isfinite(newest(rows.get(one.entity.id, np.array([])))):
                gpus = tuple(sorted(kinds.get(gpu, "") for gpu in one.gpus))
                groups.setdefault((one.pool, one.model, one.version, gpus), []).append(one)
        for members in groups.values():
            for one in members:
                others = [rows[other.entity.id] for other in members if other is not one]
                finding = self._judge(scene, one, rows[one.entity.id], others)
                if finding is not None:
                    yield finding

    def _judge(
        self, scene: Scene, one: Replica, mine: Array, others: list[Array]
    ) -> Finding | None:
        usual = middle(np.array([newest(row) for row in others]))
        agree = [row for row in others if abs(newest(row) - usual) <= self.agreement * usual]
        if len(agree) < self.siblings or 2 * len(agree) < len(others):
            return None
        times = scene.frame(CAPACITY).times
        held = span(times, mine, scene.now - self.hold_seconds, scene.now)
        if not (held < self.least_share * usual).all():
            return None
        since = run_start(times, mine, mine < self.least_share * usual) or float(times[0])
        have = newest(mine)
        text = (
            f"The KV cache of {one.entity.label} holds {have:.0f} tokens, those of its siblings "
            f"{usual:.0f}: {1.0 - have / usual:.0%} less."
        )
        evidence = say(
            CAPACITY, one.entity, since, scene.now, text,
            observed=have, expected=usual, lower=self.least_share * usual,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=one.pool,
            model=one.model,
        )
