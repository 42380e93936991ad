"""An engine freezes for some seconds, again and again, and goes on by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _load
from detectors._evidence import average, by, newest, say, span
from estimators.onset import Flags
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

STEPS = Watch(signals.STEPS_LATELY, 3600.0, 15.0)
RUNNING = Watch(signals.RUNNING, 3600.0, 15.0)
WAITING = Watch(signals.WAITING, 3600.0, 15.0)


@dataclass(frozen=True, slots=True)
class GrammarStall(Detector):
    """The steps of a busy engine stop for ten seconds and more, again and again.

    Compiling a grammar for structured output blocks the loop that makes steps. A stall does not end
    by itself, and a slow engine never stops: this does both. Steps that compute long prompts are
    few as well; but then clearly more of prompts is taken than before, and a freeze takes none.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GRAMMAR_STALL
    watches: ClassVar[tuple[Watch, ...]] = (STEPS, RUNNING, WAITING, _load.INPUT)

    within_seconds: float = 900.0
    """The stretch in which freezes are counted."""
    freezes: int = 3
    """Freezes in it."""
    frozen: float = 0.33
    """Steps over the usual rate below which it stands still between two looks."""
    moving: float = 0.6
    """Steps over the usual rate from which it goes on."""
    least_inside: float = 2.0
    """Requests running or queued at a freeze, at least one of them running before and at it: an
    engine without work makes no steps either."""

    prompts: float = 1.5
    """Prompt tokens a second over those of the hours before, from which they explain slow steps.
    Our judgement: they are what grew, and an hour of the day does not so much."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that freezes."""
        steps, running = by(scene.frame(STEPS), "replica"), by(scene.frame(RUNNING), "replica")
        waiting = by(scene.frame(WAITING), "replica")
        for one in scene.replicas:
            name = one.entity.id
            if one.state is ReplicaState.BLIND or name not in steps or name not in running:
                continue
            queue = np.nan_to_num(waiting.get(name, np.zeros(len(running[name]))))
            inside = running[name] + queue
            finding = self._judge(scene, one, steps[name], running[name], inside)
            if finding is not None and not self._explained(scene, name, finding.since):
                yield finding

    def _explained(self, scene: Scene, name: str, since: float) -> bool:
        """Whether much more of prompts is computed since it began than was before."""
        frame = scene.frame(_load.INPUT)
        row = frame.row(replica=name)
        if row is None:
            return False
        taken = np.where(row > 0.0, row, np.nan)  # hours without a call say nothing of prompts
        before = average(span(frame.times, taken, float(frame.times[0]), since))
        return average(span(frame.times, taken, since, scene.now)) > self.prompts * before

    def _judge(
        self, scene: Scene, one: Replica, steps: Array, running: Array, inside: Array
    ) -> Finding | None:
        times, begin = scene.frame(STEPS).times, scene.now - self.within_seconds
        busy = steps[np.isfinite(steps) & (running >= 1.0)]
        if busy.size < 20:
            return None
        usual = float(np.quantile(busy, 0.7))
        before = np.concatenate([running[:1], running[:-1]])
        worked = (np.minimum(running, before) >= 1.0) & (inside >= self.least_inside)
        still = (steps < self.frozen * usual) & worked
        if np.count_nonzero(still & (times >= begin)) < self.freezes:
            return None
        goes = steps >= self.moving * usual
        began = self._freezes(still, goes)
        lately = [index for index in began if times[index] >= begin]
        if len(lately) < self.freezes or usual <= 0.0:
            return None
        since = self._first(times, began)
        share = average(span(times, still.astype(np.float64), begin, scene.now))
        text = (
            f"{one.entity.label} stopped {len(lately)} times in "
            f"{self.within_seconds / 60.0:.0f} minutes with work inside, and went on each time."
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.7,
            evidence=(
                say(
                    STEPS, one.entity, since, scene.now,
                    f"{text} It stood still {share:.0%} of that time.",
                    observed=newest(steps), expected=usual, lower=self.frozen * usual,
                ),
            ),
            text=text,
            pool=one.pool,
            model=one.model,
        )  # fmt: skip

    def _freezes(self, still: Flags, goes: Flags) -> list[int]:
        """Columns at which a freeze began that ended again."""
        found: list[int] = []
        open_at = -1
        for index, (stands, moves) in enumerate(zip(still, goes, strict=True)):
            if stands and open_at < 0:
                open_at = index
            elif moves and open_at >= 0:
                found.append(open_at)
                open_at = -1
        return found

    def _first(self, times: Array, began: list[int]) -> float:
        """The first of those that followed each other within the stretch."""
        first = began[-1]
        for index in reversed(began):
            if times[first] - times[index] > self.within_seconds:
                break
            first = index
        return float(times[first])
