"""Readings of nearly everything arrive with holes: they are lost on the way."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

READS = Watch(signals.READS_LATELY, 5400.0, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class PipelineDrops(Detector):
    """Far fewer readings arrive than before, of most targets at once and at random.

    A target that flaps is alone; one gap, however long, is over within the window that counts; an
    interval that somebody set anew is even, and a queue that overflows is not.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PIPELINE_DROPS
    watches: ClassVar[tuple[Watch, ...]] = (READS,)

    hold_seconds: float = 600.0
    """How long it must go on: OTel collectors' own rules of thumb wait as long on a full queue."""
    arriving: float = 0.8
    """Readings over those before, from which on they count as arriving."""
    targets: float = 0.8
    """Share of the targets that are still read which must lack readings."""
    uneven: float = 2.0
    """Spread of the counts of readings, below which it is an interval and no loss."""
    least_targets: int = 3
    """Below so many targets nobody can tell the way from its beginning."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """One finding, about everything."""
        frame = scene.frame(READS)
        there = [row for _, row in frame.rows() if np.isfinite(row[-1])]
        if sum(self._uneven(scene, row) is not None for row in there) < self.least_targets:
            return
        rows = [row for row in there if self._usual(scene, row)]
        lossy = [row for row in rows if self._lossy(scene, row)]
        if len(lossy) < max(self.least_targets, self.targets * len(rows)):
            return
        shares = np.vstack([row / self._usual(scene, row) for row in lossy])
        known = np.isfinite(shares).sum(axis=0)
        share = np.where(known > 0, np.nansum(shares, axis=0) / np.maximum(known, 1), np.nan)
        begin = scene.now - self.hold_seconds
        since = min(run_start(frame.times, share, share <= self.arriving) or begin, begin)
        now = average(span(frame.times, share, begin, scene.now))
        yield self._finding(scene, since, now, len(lossy))

    def _usual(self, scene: Scene, row: Array) -> float:
        """Readings in five minutes when all is well; 0 where too little is known."""
        times = scene.frame(READS).times
        before = span(times, row, 0.0, scene.now - self.hold_seconds)
        before = before[np.isfinite(before)]
        return float(np.quantile(before, 0.9)) if before.size >= 10 else 0.0

    def _uneven(self, scene: Scene, row: Array) -> Array | None:
        """The newest counts of readings, where some are lost and others are not."""
        lately = span(scene.frame(READS).times, row, scene.now - self.hold_seconds, scene.now)
        lately = lately[np.isfinite(lately)]
        return None if lately.size < 5 or np.ptp(lately) < self.uneven else lately

    def _lossy(self, scene: Scene, row: Array) -> bool:
        lately = self._uneven(scene, row)
        if lately is None:
            return False
        return bool(np.quantile(lately, 0.9) <= self.arriving * self._usual(scene, row))

    def _finding(self, scene: Scene, since: float, share: float, targets: int) -> Finding:
        entity = Entity(EntityKind.CLUSTER, "all", "everything")
        text = (
            f"Only {share:.0%} of the readings of {targets} targets arrive, at random: they are"
            " lost between those who read and here."
        )
        evidence = say(
            READS, entity, since, scene.now, text,
            observed=share, expected=1.0, lower=self.arriving,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            related=tuple(one.entity for one in scene.replicas[:40]),
        )
