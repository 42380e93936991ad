"""Adapters wait for a slot all the time: they push each other out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

WAITING = Watch(signals.LORA_WAITING, 3600.0, 30.0)


@dataclass(frozen=True, slots=True)
class LoraThrash(Detector):
    """More LoRA adapters are asked for than a replica has slots, for minutes.

    A moment's wait is how loading works; a wait that lasts means that adapters are loaded again
    and again while calls to the base model are served as ever.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.LORA_THRASH
    watches: ClassVar[tuple[Watch, ...]] = (WAITING,)

    hold_seconds: float = 600.0
    """How long adapters must wait. Our judgement."""
    share_of_time: float = 0.8
    """Share of that time in which at least one waits."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose adapters thrash."""
        rows, times = by(scene.frame(WAITING), "replica"), scene.frame(WAITING).times
        begin = scene.now - self.hold_seconds
        for one in scene.replicas:
            row = rows.get(one.entity.id)
            lately = span(times, row, begin, scene.now) if row is not None else np.array([])
            if row is None or not lately.size or np.mean(lately >= 1.0) < self.share_of_time:
                continue
            since = min(run_start(times, row, row >= 1.0) or begin, begin)
            mean = average(lately)
            text = f"{mean:.1f} LoRA adapters wait for a slot of {one.entity.label} on average."
            yield Finding(
                failure_mode=self.failure_mode,
                entity=one.entity,
                since=since,
                at=scene.now,
                severity=Severity.WARNING,
                confidence=0.8,
                evidence=(
                    say(WAITING, one.entity, since, scene.now, text, observed=mean, upper=1.0),
                ),
                text=text,
                pool=one.pool,
                model=one.model,
            )
