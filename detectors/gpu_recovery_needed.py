"""The driver says that a GPU needs something done before it is well again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from detectors import _gpu_events as gpu_events
from detectors._evidence import say
from estimators.onset import run_start
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch


@dataclass(frozen=True, slots=True)
class GpuRecoveryNeeded(Detector):
    """The driver's own verdict, which comes before any table of ours.

    Every action but `none` counts, those that newer drivers invent too: an action we do not know
    is no sign of health.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_RECOVERY_NEEDED
    watches: ClassVar[tuple[Watch, ...]] = (gpu_events.RECOVERY,)

    hold_seconds: float = 60.0
    """How long the driver must ask for it: two readings, so that a reset under way is none."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU whose driver asks for something."""
        frame = scene.frame(gpu_events.RECOVERY)
        for labels, row in frame.rows():
            gpu, action = labels.get("gpu", ""), labels.get("action", "")
            since = run_start(frame.times, row, row > 0.0)
            if not gpu or action in {"", "none"} or since is None or not row[-1] > 0.0:
                continue
            if scene.now - since < self.hold_seconds:
                continue
            entity = gpu_events.entity_of(scene, gpu, labels.get("node", ""))
            what = action.replace("_", " ")
            told = say(
                gpu_events.RECOVERY, entity, since, scene.now, f"The driver asks for {what}.",
                observed=1.0, expected=0.0, upper=0.0,
            )  # fmt: skip
            yield gpu_events.finding(
                self.failure_mode, scene, entity, since, [told],
                f"{entity.label} is not well", gpus=(gpu,), confidence=0.95,
            )  # fmt: skip
