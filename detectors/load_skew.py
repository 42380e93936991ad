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

    times_siblings: float = 3.0
    """Requests inside it over the median of its siblings'."""
    more_finished: float = 1.4
    """Requests it finishes over the median of its siblings'."""
    least_inside: float = 6.0
    """Requests inside it: three of one are no load."""
    hold_seconds: float = 300.0
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
        times = scene.frame(RUNNING).times
        begin = scene.now - self.hold_seconds
        siblings = np.nanmedian(np.vstack([inside[other.entity.id] for other in others]), axis=0)
        edge = np.maximum(self.times_siblings * siblings, self.least_inside)
        newest = span(times, inside[one.entity.id] - edge, begin, scene.now)
        if not np.isfinite(newest).any() or np.nanmean(newest > 0.0) < 0.8:
            return None
        made = [average(span(times, finished[other.entity.id], begin, scene.now))
                for other in others if other.entity.id in finished]  # fmt: skip
        mine = average(span(times, finished.get(one.entity.id, np.empty(0)), begin, scene.now)) \
            if one.entity.id in finished else float("nan")  # fmt: skip
        if not made or not mine >= self.more_finished * float(np.median(made)):
            return None
        return self._finding(scene, one, siblings, inside[one.entity.id], edge)

    def _finding(
        self, scene: Scene, one: Replica, siblings: Array, held: Array, edge: Array
    ) -> Finding:
        times = scene.frame(RUNNING).times
        since = run_start(times, held, held > edge) or scene.now - self.hold_seconds
        now, usual = (average(span(times, row, since, scene.now)) for row in (held, siblings))
        text = (
            f"{one.entity.label} holds {now:.0f} requests while its siblings hold {usual:.0f}, "
            "and finishes more than they do: it is sent more."
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
                    RUNNING, one.entity, since, scene.now, text,
                    observed=now, expected=usual, upper=self.times_siblings * usual,
                ),
            ),
            text=text,
            pool=one.pool,
            model=one.model,
        )  # fmt: skip


def _inside(scene: Scene) -> dict[str, Array]:
    """Requests running and waiting, by replica."""
    waiting = by(scene.frame(WAITING), "replica")
    return {
        name: row + np.nan_to_num(waiting.get(name, np.zeros(len(row))))
        for name, row in by(scene.frame(RUNNING), "replica").items()
    }
