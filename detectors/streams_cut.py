"""Calls fail each time a pod of a pool is ended: what ran in it was cut off."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, say, span
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 1800.0, 15.0)


@dataclass(frozen=True, slots=True)
class StreamsCut(Detector):
    """Bursts of failed calls, each within a minute or two of a pod's orderly end.

    A pod that is asked to end and has less time than its answers need breaks them off. One that
    died is refused for a while before it vanishes or comes back, and is told elsewhere; failures at
    other times have another cause.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.STREAMS_CUT
    watches: ClassVar[tuple[Watch, ...]] = (UP, *_gateway.WATCHES)

    before_seconds: float = 45.0
    """How long before a page is last read its pod may have begun to end."""
    after_seconds: float = 150.0
    """How long after it failures still show: two minutes is the window of their rate."""
    least_failures: float = 1.5
    """Failed calls at one end that make it one with failures: rates are no whole numbers."""
    in_all: float = 3.0
    """Failed calls at all ends together, where there were several."""
    alone: float = 8.0
    """Failed calls at the only end with failures: one may be chance."""
    share_of_failures: float = 0.7
    """Of all failures in view that fall to these moments."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool whose pods cut streams as they end."""
        for (pool, model), ends in self._ended(scene).items():
            seen = _gateway.traffic(scene, model, pool)
            if not seen.known:
                continue
            cut = [
                (at, name, failed)
                for at, name in ends
                for failed in [self._failures(seen, at)]
                if failed >= self.least_failures
            ]
            mine = np.zeros(len(seen.times), dtype=bool)
            for at, _ in ends:
                mine |= (seen.times >= at - self.before_seconds) & (
                    seen.times <= at + self.after_seconds
                )
            lately = seen.times >= scene.now - UP.lookback
            errors = np.nan_to_num(seen.attempt_errors)
            total = float(errors[lately].sum()) * _gateway.STEP
            near = float(errors[lately & mine].sum()) * _gateway.STEP
            least = self.in_all if len(cut) > 1 else self.alone
            if not cut or near < least or near < self.share_of_failures * total:
                continue
            yield self._finding(scene, pool, model, cut, near)

    def _ended(self, scene: Scene) -> dict[tuple[str, str], list[tuple[float, str]]]:
        """By pool and model: when pages were last read that nobody has been refused since."""
        frame = scene.frame(UP)
        rows: dict[tuple[str, str, str], Array] = {}
        for labels, row in frame.rows():
            if labels.get("vantage") != "engine" or not labels.get("replica"):
                continue
            key = (labels.get("pool", ""), labels.get("model", ""), labels["replica"])
            known = rows.get(key, np.full(len(row), np.nan))
            rows[key] = np.where(np.isfinite(row), row, known)
        ended: dict[tuple[str, str], list[tuple[float, str]]] = {}
        for (pool, model, name), row in rows.items():
            seen = np.flatnonzero(np.isfinite(row))
            if not pool or not seen.size or row[seen[-1]] != 1.0:
                continue
            at = float(frame.times[seen[-1]])
            if at <= scene.now - 4.0 * scene.interval:
                ended.setdefault((pool, model), []).append((at, name))
        return ended

    def _failures(self, seen: _gateway.Traffic, at: float) -> float:
        begin, end = at - self.before_seconds, at + self.after_seconds
        rate = average(span(seen.times, seen.attempt_errors, begin, end))
        return rate * (end - begin) if np.isfinite(rate) else 0.0

    def _finding(
        self,
        scene: Scene,
        pool: str,
        model: str,
        cut: list[tuple[float, str, float]],
        failed: float,
    ) -> Finding:
        entity, first = identity.pool(pool), min(at for at, _, _ in cut)
        text = (
            f"About {failed:.0f} calls to {entity.label} failed, all within two minutes of the end"
            f" of {'one of its pods' if len(cut) == 1 else f'{len(cut)} of its pods'}."
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=first - self.before_seconds,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8 if len(cut) > 1 else 0.6,
            evidence=tuple(self._evidence(*one) for one in cut[:8]),
            text=text,
            pool=pool,
            model=model,
            related=tuple(identity.replica(name) for _, name, _ in cut)[:50],
        )

    def _evidence(self, at: float, name: str, failed: float) -> Evidence:
        return say(
            _gateway.ATTEMPT_ERRORS, identity.replica(name), at - self.before_seconds, at,
            f"About {failed:.0f} upstream calls failed around the end of this pod.",
            observed=failed, upper=self.least_failures,
        )  # fmt: skip
