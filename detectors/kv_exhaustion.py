"""The KV cache is full and running requests are thrown out to be computed again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, middle, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

KV_USAGE = Watch(signals.KV_USAGE, 3600.0, 30.0)
PREEMPTIONS = Watch(signals.PREEMPTION_RATE, 3600.0, 30.0)
TTFT = Watch(signals.TTFT_MEAN, 3600.0, 30.0)


@dataclass(frozen=True, slots=True)
class KvExhaustion(Detector):
    """The KV cache is full and preempts: the engine works on the same tokens twice.

    A full cache without preemptions is good packing, and a queue without preemptions is a want of
    capacity; neither is this. Wrong where an engine swaps instead and does not count it.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.KV_EXHAUSTION
    watches: ClassVar[tuple[Watch, ...]] = (KV_USAGE, PREEMPTIONS, TTFT)

    full: float = 0.95
    """Share of KV blocks from which a cache counts as full. Its peak counts: each preemption
    frees a long request's blocks, so that a cache that thrashes is full only for moments."""
    preemptions_per_second: float = 0.05
    """One every 20 s; published thrash is several a second."""
    hold_seconds: float = 300.0
    """How long preemptions must last."""
    share_of_time: float = 0.8
    """Share of that time in which they must go on."""
    paging_slowdown: float = 3.0
    """First tokens this many times later than before, on half of the pool, wake somebody."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that thrashes."""
        usages, preempted = (by(scene.frame(watch), "replica") for watch in (KV_USAGE, PREEMPTIONS))
        thrashing = [
            (one, since)
            for one in scene.replicas
            if one.entity.id in usages and one.entity.id in preempted
            for since in [self._since(scene, usages[one.entity.id], preempted[one.entity.id])]
            if since is not None
        ]
        for pool in sorted({replica.pool for replica, _ in thrashing}):
            hit = [one for one in thrashing if one[0].pool == pool]
            members = [one for one in scene.replicas if one.pool == pool]
            wide = 2 * len(hit) >= len(members)
            if wide and len(hit) > 1:
                yield self._finding(scene, identity.pool(pool), hit, wide=True)
            else:
                for one in hit:
                    yield self._finding(scene, one[0].entity, [one], wide=wide)

    def _since(self, scene: Scene, usage: Array, preempted: Array) -> float | None:
        times = scene.frame(KV_USAGE).times
        begin = scene.now - self.hold_seconds
        newest = span(times, usage, begin, scene.now)
        thrown = span(times, preempted, begin, scene.now)
        if not np.isfinite(newest).any() or not np.isfinite(thrown).any():
            return None
        if np.nanmax(newest) < self.full:
            return None
        if np.nanmean(thrown >= self.preemptions_per_second) < self.share_of_time:
            return None
        busy = run_start(times, preempted, preempted >= self.preemptions_per_second)
        return min(busy if busy is not None else begin, begin)

    def _finding(
        self, scene: Scene, entity: Entity, hit: list[tuple[Replica, float]], *, wide: bool
    ) -> Finding:
        since = min(began for _, began in hit)
        slower = middle(np.array([self._slowdown(scene, *one) for one in hit]))
        evidence = [line for one in hit[:4] for line in self._evidence(scene, *one)]
        rate = sum(average(_after(scene, PREEMPTIONS, *one)) for one in hit)
        late = f"; first tokens come {slower:.1f} times as late" if slower > 1.0 else ""
        who = (
            f"{len(hit)} replicas of {entity.label} have" if len(hit) > 1 else entity.label + " has"
        )
        loud = wide and slower >= self.paging_slowdown
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if loud else Severity.WARNING,
            confidence=0.9,
            evidence=tuple(evidence),
            text=f"{who} a full KV cache and {rate:.2f} preemptions a second{late}.",
            pool=hit[0][0].pool,
            model=hit[0][0].model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(self, scene: Scene, replica: Replica, since: float) -> Iterable[Evidence]:
        usage = float(np.nanmax(_after(scene, KV_USAGE, replica, since)))
        yield say(
            KV_USAGE, replica.entity, since, scene.now,
            f"KV cache of {replica.entity.label} up to {usage:.0%} full.",
            observed=usage, upper=self.full,
        )  # fmt: skip
        rate = average(_after(scene, PREEMPTIONS, replica, since))
        yield say(
            PREEMPTIONS, replica.entity, since, scene.now,
            f"{rate:.2f} preemptions a second since then.",
            observed=rate, expected=0.0, upper=self.preemptions_per_second,
        )  # fmt: skip
        slower = self._slowdown(scene, replica, since)
        if np.isfinite(slower):
            late = average(_after(scene, TTFT, replica, max(since, scene.now - 300.0)))
            yield say(
                TTFT, replica.entity, since, scene.now,
                f"First tokens come {slower:.1f} times as late as before.",
                observed=late, expected=late / slower,
            )  # fmt: skip

    def _slowdown(self, scene: Scene, replica: Replica, since: float) -> float:
        row = _row(scene, TTFT, replica)
        if row is None:
            return float("nan")
        times = scene.frame(TTFT).times
        before = middle(span(times, row, 0.0, since - 60.0))
        after = middle(span(times, row, max(since, scene.now - 300.0), scene.now))
        return after / before if before > 0.0 else float("nan")


def _row(scene: Scene, watch: Watch, replica: Replica) -> Array | None:
    return scene.frame(watch).row(replica=replica.entity.id)


def _after(scene: Scene, watch: Watch, replica: Replica, since: float) -> Array:
    row = _row(scene, watch, replica)
    times = scene.frame(watch).times
    return span(times, row, since, scene.now) if row is not None else np.empty(0)
