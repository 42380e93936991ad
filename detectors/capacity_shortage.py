"""More is asked of a pool than it can do: every replica has a queue."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

WAITING = Watch(signals.WAITING, 3600.0, 30.0)
PREEMPTIONS = Watch(signals.PREEMPTION_RATE, 3600.0, 30.0)
WORKING = frozenset({ReplicaState.SERVING, ReplicaState.SATURATED})


@dataclass(frozen=True, slots=True)
class CapacityShortage(Detector):
    """Every replica of a pool works and has a queue.

    One queue among idle siblings is a skewed load, a queue behind preemptions a full KV cache, a
    queue before an engine that makes no step a stall: none of them is this.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.CAPACITY_SHORTAGE
    watches: ClassVar[tuple[Watch, ...]] = (WAITING, PREEMPTIONS)

    hold_seconds: float = 600.0
    """How long the queues must last: scaling out takes 90 to 970 s by public reports."""
    share_of_time: float = 0.8
    """Share of that time in which a replica's queue must not be empty."""
    share_of_pool: float = 0.8
    """Share of the working replicas that must queue."""
    least_waiting: float = 2.0
    """Requests waiting per replica on average."""
    preemptions_per_second: float = 0.05
    """From here on the KV cache is what is short."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool that is too small."""
        queues = by(scene.frame(WAITING), "replica")
        preempted = by(scene.frame(PREEMPTIONS), "replica")
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            members = [
                one
                for one in scene.replicas
                if one.pool == pool and one.state in WORKING and one.entity.id in queues
            ]
            queued = [one for one in members if self._queues(scene, queues[one.entity.id])]
            if not members or len(queued) < self.share_of_pool * len(members):
                continue
            if self._rate(scene, preempted, queued) >= self.preemptions_per_second:
                continue
            yield self._finding(scene, pool, queued, queues)

    def _queues(self, scene: Scene, row: Array) -> bool:
        newest = span(scene.frame(WAITING).times, row, scene.now - self.hold_seconds, scene.now)
        if not np.isfinite(newest).any():
            return False
        busy = float(np.mean(newest >= 1.0))
        return busy >= self.share_of_time and average(newest) >= self.least_waiting

    def _rate(self, scene: Scene, rows: dict[str, Array], members: list[Replica]) -> float:
        times = scene.frame(PREEMPTIONS).times
        found = [
            average(span(times, rows[one.entity.id], scene.now - self.hold_seconds, scene.now))
            for one in members
            if one.entity.id in rows
        ]
        known = [one for one in found if np.isfinite(one)]
        return max(known, default=0.0)

    def _finding(
        self, scene: Scene, pool: str, queued: list[Replica], queues: dict[str, Array]
    ) -> Finding:
        entity, times = identity.pool(pool), scene.frame(WAITING).times
        total = np.nansum(np.vstack([queues[one.entity.id] for one in queued]), axis=0)
        since = run_start(times, total, total >= len(queued)) or scene.now - self.hold_seconds
        waiting = average(span(times, total, scene.now - 300.0, scene.now))
        text = (
            f"All {len(queued)} working replicas of {entity.label} have a queue; "
            f"{waiting:.0f} requests wait."
        )
        evidence = say(
            WAITING, entity, since, scene.now, text,
            observed=waiting, upper=self.least_waiting * len(queued),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=queued[0].model,
            related=tuple(one.entity for one in queued)[:50],
        )
