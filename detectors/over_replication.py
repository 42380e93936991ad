"""A pool has replicas for traffic that left long ago."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

HOUR = 3600.0
TOKENS = Watch(signals.HOURLY_INPUT, 8 * 24 * HOUR, HOUR, every=HOUR)
"""A week, in which every hour of the week is once, and the day that is judged."""


@dataclass(frozen=True, slots=True)
class OverReplication(Detector):
    """Several replicas share less than a tenth of a pool's usual work, for hours.

    Nights and weekends are usual: the work must also be far below the quietest hours of the days
    before. A pool that nobody calls at all is idle, which is another failure's story.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.OVER_REPLICATION
    watches: ClassVar[tuple[Watch, ...]] = (TOKENS,)

    hold_hours: int = 6
    """How long it must last."""
    share: float = 0.1
    """Of the pool's median hour."""
    of_quietest: float = 0.5
    """Of the quietest six hours before."""
    least_days: float = 3.0
    """Days that must be known: one quiet day teaches no season."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool that could be smaller."""
        frame = scene.frame(TOKENS)
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            rows = frame.where(pool=pool).values
            members = [one for one in scene.replicas
                       if one.pool == pool and one.state is not ReplicaState.BLIND]  # fmt: skip
            if len(members) < 2 or not rows.size:
                continue
            known = np.isfinite(rows).any(axis=0)
            work = np.where(known, np.nansum(rows, axis=0), np.nan)
            usual = self._usual(frame.times, work)
            if usual is not None:
                replicas = tuple(sorted((one.entity for one in members), key=str))
                since = run_start(frame.times, work, work <= self.share * usual) or scene.now
                now = average(work[-self.hold_hours :])
                text = (
                    f"{len(members)} replicas of {identity.pool(pool).label} do {now / usual:.1%} "
                    f"of their usual work, for {(scene.now - since) / HOUR:.0f} h: one would do."
                )
                evidence = say(
                    TOKENS, identity.pool(pool), since, scene.now, text,
                    observed=now, expected=usual, lower=self.share * usual,
                )  # fmt: skip
                yield Finding(
                    failure_mode=self.failure_mode,
                    entity=identity.pool(pool),
                    since=since,
                    at=scene.now,
                    severity=Severity.WARNING,
                    confidence=0.8,
                    evidence=(evidence,),
                    text=text,
                    pool=pool,
                    model=members[0].model,
                    related=replicas[:50],
                )

    def _usual(self, times: Array, work: Array) -> float | None:
        """Tokens of the median hour, where the newest hours are far below; else None."""
        newest = work[-self.hold_hours :]
        quiet = self.hold_hours * HOUR
        before = span(times, work, float(times[0]), float(times[-1]) - 2.0 * quiet)
        known = before[np.isfinite(before)]
        if known.size < self.least_days * 24 or not np.isfinite(newest).all():
            return None
        usual = float(np.median(known))
        stretches = np.convolve(known, np.ones(self.hold_hours) / self.hold_hours, "valid")
        limit = min(self.share * usual, self.of_quietest * float(stretches.min()))
        return usual if 0.0 < float(newest.max()) <= limit else None
