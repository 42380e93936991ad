"""New replicas take far too long to their first answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 21_600.0, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class SlowColdStart(Detector):
    """A new replica has not answered yet, long after others of its pool did.

    A start counts from the first refused look to the first answer. What is usual is learnt from the
    pool's own starts within six hours; where none was seen, a start may take ten minutes. A replica
    that answered before is dead, not cold, and told elsewhere.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.SLOW_COLD_START
    watches: ClassVar[tuple[Watch, ...]] = (UP,)

    times_usual: float = 2.0
    """Times the pool's slowest known start."""
    least_seconds: float = 240.0
    """Nothing shorter is slow."""
    unknown_seconds: float = 600.0
    """Where no start was seen: cold starts of 409 and 966 s were measured (kaito#2325)."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool with a replica that is late."""
        looked_at = {labels.get("replica", "") for labels, _row in scene.frame(UP).rows()}
        starting = [
            one
            for one in scene.replicas
            if one.state is ReplicaState.LOADING and one.pool and one.entity.id in looked_at
        ]
        for pool in sorted({one.pool for one in starting}):
            usual = self._usual(scene, pool)
            limit = (
                max(self.least_seconds, self.times_usual * usual)
                if np.isfinite(usual)
                else self.unknown_seconds
            )
            late = [
                one for one in starting if one.pool == pool and scene.now - one.first_seen >= limit
            ]
            if late:
                yield self._finding(scene, pool, late, usual, limit)

    def _usual(self, scene: Scene, pool: str) -> float:
        """Seconds of the slowest start of the pool that is in view; NaN where there is none."""
        frame = scene.frame(UP)
        refused: dict[str, Array] = {}
        read: dict[str, Array] = {}
        for labels, row in frame.rows():
            if labels.get("pool") != pool or not labels.get("replica"):
                continue
            kind = read if labels.get("verdict") == "ok" else refused
            flags = row == (1.0 if kind is read else 0.0)
            known = kind.get(labels["replica"])
            kind[labels["replica"]] = flags if known is None else known | flags
        seconds = []
        for name in set(refused) & set(read):
            down, up = np.flatnonzero(refused[name]), np.flatnonzero(read[name])
            if down.size and up.size and down[0] < up[0]:
                seconds.append(float(frame.times[up[0]] - frame.times[down[0]]))
        return max(seconds, default=float("nan"))

    def _finding(
        self, scene: Scene, pool: str, late: list[Replica], usual: float, limit: float
    ) -> Finding:
        entity = identity.pool(pool)
        oldest = min(one.first_seen for one in late)
        waited = scene.now - oldest
        known = f"; {usual:.0f} s is the longest of late" if np.isfinite(usual) else ""
        who = "A new replica" if len(late) == 1 else f"{len(late)} new replicas"
        text = f"{who} of {entity.label} without an answer for {waited:.0f} s"
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=oldest,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=tuple(
                say(
                    UP, one.entity, one.first_seen, scene.now,
                    f"No answer since it appeared {scene.now - one.first_seen:.0f} s ago{known}.",
                    observed=0.0, expected=1.0, lower=1.0,
                )
                for one in late[:8]
            ),
            text=f"{text}; {limit:.0f} s would be slow.",
            pool=pool,
            model=late[0].model,
            related=tuple(one.entity for one in late)[:50],
        )  # fmt: skip
