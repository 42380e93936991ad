"""A pool is scaled in under load that has not become less."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway, _told
from detectors._evidence import average, say, span
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

RUNNING = Watch(signals.RUNNING_MEAN, 7200.0, 60.0)
UP = Watch(signals.TARGET_UP, 7200.0, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A pool before and after it was scaled in."""

    at: float
    before: float
    """Replicas."""
    after: float
    carried: float
    """Requests each of those left carries now."""
    usual: float
    """What each carried at most, but for one moment in twenty."""

    @property
    def left(self) -> float:
        """Share of the replicas that is left."""
        return self.after / self.before


@dataclass(frozen=True, slots=True)
class AutoscalerStuck(Detector):
    """A third or more of a pool's replicas is scaled in while calls stay as they are.

    An autoscaler that sees its load takes replicas away when those that stay carry less than ever;
    one whose metric is empty takes them while they carry the most. One that stands at its limit
    shows as a capacity shortage.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.AUTOSCALER_STUCK
    watches: ClassVar[tuple[Watch, ...]] = (RUNNING, UP, *_gateway.WATCHES)

    dropped: float = 0.3
    """Share of the replicas that must be gone: more than what one step of a healthy one takes of
    a pool of four."""
    recent_seconds: float = 1800.0
    """How far back the scaling act may lie."""
    settle_seconds: float = 120.0
    """How long the replicas that stay are watched before anything is said: each value averages
    two minutes."""
    calls_left: float = 0.7
    """Calls over before, below which traffic has left and the scale-in is right."""
    busier: float = 1.2
    """Requests per replica over the most usual of the two hours before."""
    least_carried: float = 2.0
    """Requests per replica, below which a pool is idle and may be as small as anybody likes."""
    page_left: float = 0.5
    """Share of the replicas left, from which somebody is woken."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool that lost replicas it needs."""
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            acts = [
                one.at
                for one in scene.changes
                if one.kind == "scale"
                and one.pool == pool
                and self.settle_seconds <= scene.now - one.at <= self.recent_seconds
            ]
            cut = self._cut(scene, pool, min(acts)) if acts else None
            if cut is None or _told.cordoned(scene, self._nodes(scene, pool), cut.at - 900.0):
                continue  # pods that leave a cordoned node in turn come again elsewhere
            if self._needed(scene, pool, cut):
                yield self._finding(scene, pool, cut)

    def _nodes(self, scene: Scene, pool: str) -> set[str]:
        return {labels.get("node", "") for labels, _ in scene.frame(UP).where(pool=pool).rows()}

    def _cut(self, scene: Scene, pool: str, at: float) -> Cut | None:
        frame = scene.frame(UP).where(pool=pool, vantage="engine")
        if frame.empty:
            return None
        up = np.sum(np.nan_to_num(frame.values) == 1.0, axis=0).astype(np.float64)
        running, times = scene.frame(RUNNING), scene.frame(RUNNING).times
        total = _total(running.where(pool=pool).values, len(times))
        earlier = span(frame.times, up, at - 900.0, at - 30.0)
        before = float(np.median(earlier)) if earlier.size else 0.0
        after = float(up[-1])
        if not 0.0 < after <= (1.0 - self.dropped) * before:
            return None
        carried_before = span(times, total, float(times[0]), at - 30.0)
        known = carried_before[np.isfinite(carried_before)]
        if known.size < 10:
            return None
        carried = average(span(times, total, scene.now - 60.0, scene.now)) / after
        return Cut(at, before, after, carried, float(np.quantile(known, 0.95)) / before)

    def _needed(self, scene: Scene, pool: str, cut: Cut) -> bool:
        if not cut.carried >= max(self.least_carried, self.busier * cut.usual):
            return False
        model = next(one.model for one in scene.replicas if one.pool == pool)
        seen = _gateway.traffic(scene, model, pool)
        calls = average(span(seen.times, seen.operations, cut.at - 900.0, cut.at))
        now = average(span(seen.times, seen.operations, scene.now - 120.0, scene.now))
        return not now < self.calls_left * calls

    def _finding(self, scene: Scene, pool: str, cut: Cut) -> Finding:
        entity = identity.pool(pool)
        text = (
            f"{entity.label} was scaled from {cut.before:.0f} to {cut.after:.0f} replicas while "
            f"its calls stayed: each carries {cut.carried:.0f} requests, at most {cut.usual:.0f} "
            "before."
        )
        evidence = say(
            RUNNING, entity, cut.at, scene.now, text,
            observed=cut.carried, expected=cut.usual, upper=self.busier * cut.usual,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=cut.at,
            at=scene.now,
            severity=Severity.CRITICAL if cut.left <= self.page_left else Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=next(one.model for one in scene.replicas if one.pool == pool),
        )


def _total(rows: Array, size: int) -> Array:
    """The sum over replicas; NaN where none of them is known."""
    if not rows.size:
        return np.full(size, np.nan)
    known = np.isfinite(rows).any(axis=0)
    return np.where(known, np.nansum(rows, axis=0), np.nan)
