"""First tokens are late while no engine has a queue: the wait is before the scheduler."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, middle, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 7200.0
TTFT = Watch(signals.TTFT_MEAN, LOOKBACK, 30.0)
QUEUE = Watch(signals.QUEUE_MEAN, LOOKBACK, 30.0)
WAITING = Watch(signals.WAITING, LOOKBACK, 30.0)
CPU = Watch(signals.HOST_CPU, LOOKBACK, 30.0)


@dataclass(frozen=True, slots=True)
class FrontEndBound(Detector):
    """First tokens are late, no engine has a queue, and its server fills a core.

    One thread turns text into tokens and back, and more GPUs do not help it. A queue in the engine
    is a want of capacity, and long prompts cost the GPU, not the server's core: neither is this.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.FRONT_END_BOUND
    watches: ClassVar[tuple[Watch, ...]] = (TTFT, QUEUE, WAITING, CPU)

    hold_seconds: float = 480.0
    """How long it must last."""
    cores: float = 0.95
    """Cores that the server's process uses: Python does one thing at a time."""
    more_cores: float = 1.15
    """The same over before: a server with several threads may always use more than one."""
    times_late: float = 2.0
    """First tokens without their time in the queue, over the same before."""
    least_late: float = 0.5
    """Seconds by which they are later: half a second is felt."""
    waiting: float = 1.0
    """Requests that may wait in the engine."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that is bound; one finding where several of a pool are."""
        rows = {watch: by(scene.frame(watch), "replica") for watch in self.watches}
        found: dict[str, list[tuple[Replica, float]]] = {}
        for one in scene.replicas:
            if all(one.entity.id in row for row in rows.values()):
                since = self._since(scene, {w: rows[w][one.entity.id] for w in rows})
                if since is not None:
                    found.setdefault(one.pool, []).append((one, since))
        for pool, hit in found.items():
            yield self._finding(scene, pool, hit)

    def _since(self, scene: Scene, row: dict[Watch, Array]) -> float | None:
        times, begin = scene.frame(TTFT).times, scene.now - self.hold_seconds
        before, beside = begin - 900.0, row[TTFT] - row[QUEUE]
        usual = middle(span(times, beside, 0.0, before))
        late = span(times, beside, begin, scene.now)
        used = average(span(times, row[CPU], begin, scene.now))
        if not used >= max(
            self.cores, self.more_cores * middle(span(times, row[CPU], 0.0, before))
        ):
            return None
        if not average(span(times, row[WAITING], begin, scene.now)) < self.waiting:
            return None
        limit = max(self.times_late * usual, usual + self.least_late)
        known = late[np.isfinite(late)]
        if not known.size or not np.mean(known >= limit) >= 0.9:
            return None
        return min(run_start(times, beside, beside >= limit) or begin, begin)

    def _finding(self, scene: Scene, pool: str, hit: list[tuple[Replica, float]]) -> Finding:
        first = hit[0][0]
        entity = identity.pool(pool) if len(hit) > 1 and pool else first.entity
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(since for _, since in hit),
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=tuple(line for one in hit[:6] for line in self._evidence(scene, *one)),
            text=f"First tokens of {entity.label} are late before any engine has a queue; the "
            "server's core is busy.",
            pool=pool,
            model=first.model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(self, scene: Scene, one: Replica, since: float) -> Iterable[Evidence]:
        times, begin, name = scene.frame(TTFT).times, scene.now - self.hold_seconds, one.entity.id
        ttft, queue, cpu = (by(scene.frame(w), "replica")[name] for w in (TTFT, QUEUE, CPU))
        late = average(span(times, ttft, begin, scene.now))
        usual = middle(span(times, ttft, 0.0, since - 60.0))
        inside = average(span(times, queue, begin, scene.now))
        yield say(
            TTFT, one.entity, since, scene.now,
            f"First tokens take {late:.1f} s, {inside:.2f} s of it in the engine's queue.",
            observed=late, expected=usual,
        )  # fmt: skip
        cores = average(span(times, cpu, begin, scene.now))
        yield say(
            CPU, one.entity, since, scene.now,
            f"The server's process uses {cores:.2f} cores.",
            observed=cores, upper=self.cores,
        )  # fmt: skip
