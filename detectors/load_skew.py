"""One replica drowns while its siblings have room."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 3600.0
RUNNING = Watch(signals.RUNNING, LOOKBACK, 30.0)
WAITING = Watch(signals.WAITING, LOOKBACK, 30.0)
FINISHED = Watch(signals.FINISHED_RATE, LOOKBACK, 30.0)
WORKING = frozenset({ReplicaState.SERVING, ReplicaState.SATURATED, ReplicaState.IDLE})


@dataclass(frozen=True, slots=True)
class LoadSkew(Detector):
    """A route sends one replica far more than its share, and it queues.

    A replica that is slow holds many requests, too, but finishes no more than its siblings: only
    one that is sent more and works more is this. Fresh replicas are left out.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.LOAD_SKEW
    watches: ClassVar[tuple[Watch, ...]] = (RUNNING, WAITING, FINISHED)

    more_finished: float = 2.0
    """Requests it finishes over the median of its siblings': what the route deals out."""
    more_inside: float = 1.5
    """Requests inside it over the median of its siblings': what comes of that."""
    least_finished: float = 60.0
    """Requests it finishes while it is judged: of fewer, chance deals out as unevenly."""
    hold_seconds: float = 480.0
    """How long it must last."""
    warm_seconds: float = 600.0
    """Age before which a replica may still be filling up. Our judgement."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that is sent too much."""
        inside = _inside(scene)
        finished = by(scene.frame(FINISHED), "replica")
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            members = [
                one
                for one in scene.replicas
                if one.pool == pool and one.state in WORKING and one.entity.id in inside
                and scene.now - one.first_seen >= self.warm_seconds
            ]  # fmt: skip
            for one in members:
                others = [other for other in members if other is not one]
                finding = self._judge(scene, one, others, inside, finished) if others else None
                if finding is not None:
                    yield finding

    def _judge(
        self,
        scene: Scene,
        one: Replica,
        others: list[Replica],
        inside: dict[str, Array],
        finished: dict[str, Array],
    ) -> Finding | None:
        names = [other.entity.id for other in others]
        if one.entity.id not in finished or not set(names) <= set(finished):
            return None
        times = scene.frame(RUNNING).times
        for start, end in self._halves(scene.now):
            half = (times >= start) & (times <= end)
            mine = average(finished[one.entity.id][half])
            if not mine * (end - start) >= self.least_finished / 2.0:
                return None
            theirs = average(_middle([finished[name][half] for name in names]))
            if not mine >= self.more_finished * theirs:
                return None
            usual = average(_middle([inside[name][half] for name in names]))
            if not average(inside[one.entity.id][half]) >= self.more_inside * usual:
                return None
        made = _middle([finished[name] for name in names])
        held = _middle([inside[name] for name in names])
        return self._finding(scene, one, made, finished[one.entity.id], held, inside)

    def _halves(self, now: float) -> list[tuple[float, float]]:
        """Both must show it: a burst of one client is over before the second begins."""
        middle = now - self.hold_seconds / 2.0
        return [(now - self.hold_seconds, middle), (middle, now)]

    def _finding(
        self,
        scene: Scene,
        one: Replica,
        made: Array,
        finished: Array,
        held: Array,
        inside: dict[str, Array],
    ) -> Finding:
        times = scene.frame(RUNNING).times
        begin = scene.now - self.hold_seconds
        since = min(
            run_start(times, finished, finished > self.more_finished * made) or begin, begin
        )
        rate, usual = (average(span(times, row, since, scene.now)) for row in (finished, made))
        now = average(span(times, inside[one.entity.id], since, scene.now))
        siblings = average(span(times, held, since, scene.now))
        text = (
            f"{one.entity.label} is sent {rate / max(usual, 1e-9):.1f} times as many requests as "
            f"its siblings and holds {now:.0f} of them, they {siblings:.0f}."
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(
                say(
                    FINISHED, one.entity, since, scene.now, text,
                    observed=rate, expected=usual, upper=self.more_finished * usual,
                ),
                say(
                    RUNNING, one.entity, since, scene.now,
                    f"{now:.0f} requests inside, {siblings:.0f} in its siblings.",
                    observed=now, expected=siblings, upper=self.more_inside * siblings,
                ),
            ),
            text=text,
            pool=one.pool,
            model=one.model,
        )  # fmt: skip


def _middle(rows: list[Array]) -> Array:
    """Column by column the median of what is known; NaN where nothing is."""
    values = np.vstack(rows)
    known = np.isfinite(values).any(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found


def _inside(scene: Scene) -> dict[str, Array]:
    """Requests running and waiting, by replica."""
    waiting = by(scene.frame(WAITING), "replica")
    return {
        name: row + np.nan_to_num(waiting.get(name, np.zeros(len(row))))
        for name, row in by(scene.frame(RUNNING), "replica").items()
    }
