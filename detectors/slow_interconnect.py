"""A GPU's PCIe link sends its packets again and again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import average, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

REPLAYS = Watch(signals.GPU_PCIE_REPLAYS, 7200.0, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class SlowInterconnect(Detector):
    """PCIe packets of a GPU are replayed many times a second, for half an hour.

    A replay now and then is nothing; a steady stream of them is a bad slot, riser or link, over
    which weights and KV blocks move slowly. Links that train to fewer lanes without replays are
    not seen here.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.SLOW_INTERCONNECT
    watches: ClassVar[tuple[Watch, ...]] = (REPLAYS,)

    per_second: float = 5.0
    """Replays. Our judgement: healthy links show none for days."""
    hold_seconds: float = 1800.0
    """How long they must last."""
    share_of_time: float = 0.9
    """Share of that time in which there are so many."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU with a bad link."""
        frame = scene.frame(REPLAYS)
        for labels, row in frame.rows():
            newest = span(frame.times, row, scene.now - self.hold_seconds, scene.now)
            known = newest[np.isfinite(newest)]
            gpu, node = labels.get("gpu", ""), labels.get("node", "")
            if not gpu or known.size < 0.8 * self.hold_seconds / REPLAYS.step:
                continue
            if np.mean(known >= self.per_second) < self.share_of_time:
                continue
            entity = gpu_events.entity_of(scene, gpu, node)
            since = run_start(frame.times, row, row >= self.per_second) or scene.now
            rate = average(known)
            text = f"The PCIe link of {entity.label} sends {rate:.0f} packets a second again."
            told = say(
                REPLAYS, entity, since, scene.now, text, observed=rate, upper=self.per_second
            )  # fmt: skip
            held = gpu_events.holders(scene, (gpu,))
            yield Finding(
                failure_mode=self.failure_mode,
                entity=entity,
                since=since,
                at=scene.now,
                severity=Severity.WARNING,
                confidence=0.85,
                evidence=(told,),
                text=text,
                pool=held[0].pool if held else "",
                model=held[0].model if held else "",
                related=tuple(one.entity for one in held)[:50],
            )
