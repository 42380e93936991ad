"""Calls fail at the gateway whose requests engines began, and no counter of theirs knows of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, middle, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK, STEP = 3600.0, 60.0
BEGUN = Watch(signals.FIRST_TOKEN_RATE, LOOKBACK, STEP, every=60.0)
ENDED = Watch(signals.POOL_FINISHED_RATE, LOOKBACK, STEP, every=60.0)
RUNNING = Watch(signals.RUNNING, LOOKBACK, STEP, every=60.0)
STARTED = Watch(signals.ENGINE_START, LOOKBACK, STEP, every=60.0)


@dataclass(frozen=True, slots=True)
class FailuresUndercounted(Detector):
    """Engines begin more answers than they ever account for, and as many calls fail.

    Requests are conserved: what has had its first token ends in a counter or still runs. An engine
    that drops those that were broken off shows errors to nobody but the gateway, and every rule on
    its own counters is blind to them. A process that died takes its requests along uncounted: only
    engines that ran throughout are judged.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.FAILURES_UNDERCOUNTED
    watches: ClassVar[tuple[Watch, ...]] = (BEGUN, ENDED, RUNNING, STARTED, *_gateway.WATCHES)

    window_seconds: float = 1200.0
    """How long books are compared: many times as long as an answer takes."""
    least: float = 20.0
    """Requests without an end, and calls that failed, from which it is no chance."""
    share: float = 0.01
    """The same over all that were begun: counters of several pages are never of one moment."""
    seen_failing: float = 0.5
    """Failed upstream calls over requests without an end, at least: callers who merely hang up
    are nobody's failure."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool whose engines lose requests from their books."""
        for labels, begun in scene.frame(BEGUN).rows():
            pool, model = labels.get("pool", ""), labels.get("model", "")
            ended = scene.frame(ENDED).row(pool=pool, model=model)
            if not pool or ended is None or not self._ran_throughout(scene, pool):
                continue
            seen = _gateway.traffic(scene, model, pool)
            lost, total = self._lost(scene, pool, begun, ended)
            failed = self._counted(scene, seen.times, seen.attempt_errors)
            if not lost >= max(self.least, self.share * total) or not failed >= self.least:
                continue
            if failed >= self.seen_failing * lost:
                since = self._onset(scene, begun - ended, lost)
                yield self._finding(scene, pool, model, since, lost, failed)

    def _counted(self, scene: Scene, times: Array, rate: Array) -> float:
        begin = scene.now - self.window_seconds
        return average(span(times, rate, begin, scene.now)) * self.window_seconds

    def _lost(self, scene: Scene, pool: str, begun: Array, ended: Array) -> tuple[float, float]:
        """Requests begun and neither ended nor under way, and all that were begun; NaN unknown."""
        times, begin = scene.frame(BEGUN).times, scene.now - self.window_seconds
        total = self._counted(scene, times, begun)
        missing = total - self._counted(scene, times, np.where(np.isfinite(begun), ended, np.nan))
        rows = scene.frame(RUNNING).where(pool=pool).values
        inside = np.nansum(rows, axis=0) if rows.size else np.full(len(times), np.nan)
        at = scene.frame(RUNNING).times
        late = middle(span(at, inside, scene.now - 300.0, scene.now))
        early = middle(span(at, inside, begin - 300.0, begin))
        return missing - max(0.0, late - early), total

    def _ran_throughout(self, scene: Scene, pool: str) -> bool:
        """Whether every engine of *pool* that was seen in the window is one process all along."""
        frame = scene.frame(STARTED)
        part = frame.where(pool=pool).values[:, frame.times >= scene.now - self.window_seconds]
        part = part[np.isfinite(part).any(axis=1)]
        return bool(part.size and np.isfinite(part).all() and (np.ptp(part, axis=1) < 1.0).all())

    def _onset(self, scene: Scene, deficit: Array, lost: float) -> float:
        times, usual = scene.frame(BEGUN).times, lost / self.window_seconds
        begin = scene.now - self.window_seconds
        return min(run_start(times, deficit, deficit >= 0.3 * usual) or begin, begin)

    def _finding(
        self, scene: Scene, pool: str, model: str, since: float, lost: float, failed: float
    ) -> Finding:
        entity, begin = identity.pool(pool), scene.now - self.window_seconds
        minutes = self.window_seconds / 60.0
        text = (
            f"About {failed:.0f} calls to {entity.label} failed in {minutes:.0f} minutes; its"
            f" engines began {lost:.0f} answers more than they say ended."
        )
        evidence = (
            say(
                BEGUN, entity, begin, scene.now,
                f"{lost:.0f} requests had a first token and are in no counter of what ended.",
                observed=lost, expected=0.0, upper=self.least,
            ),
            say(
                _gateway.ATTEMPT_ERRORS, entity, begin, scene.now,
                f"The gateway saw about {failed:.0f} calls to it fail.", observed=failed,
            ),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=evidence,
            text=text[:290],
            pool=pool,
            model=model,
        )
