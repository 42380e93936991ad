"""A GPU's memory has errors that it cannot correct, or waits for a repair."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from detectors import _gpu_events as gpu_events
from detectors._evidence import say
from estimators.onset import run_start
from fleet.xids import XidCatalogue, shipped
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

ERRORS = Watch(signals.GPU_MEMORY_ERRORS, 1800.0, 30.0)
REMAPPED = Watch(signals.GPU_REMAPPED, 3600.0, 60.0)
RETIRED = Watch(signals.GPU_RETIRED, 3600.0, 60.0)
SRAM = Watch(signals.GPU_SRAM_THRESHOLD, 3600.0, 60.0)

_STATES = {
    ("failure", REMAPPED): "A bad row could not be remapped: the board is to be replaced.",
    ("pending", REMAPPED): "A remapped row waits for a reset of the GPU.",
    ("pending", RETIRED): "A retired page waits for a reset of the GPU.",
    ("", SRAM): "Errors in on-chip memory are more than the maker allows: replace the board.",
}


@dataclass(frozen=True, slots=True)
class GpuMemoryFault(Detector):
    """Uncorrectable memory errors, or memory that waits for a reset or a new board.

    Corrected errors and rows remapped for good are how the memory mends itself.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_MEMORY_FAULT
    watches: ClassVar[tuple[Watch, ...]] = (
        gpu_events.XID, gpu_events.RECOVERY, ERRORS, REMAPPED, RETIRED, SRAM,
    )  # fmt: skip

    _xids: XidCatalogue = field(default_factory=shipped, repr=False)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU whose memory is at fault."""
        found: dict[str, tuple[str, list[Evidence]]] = {}
        for gpu, events in gpu_events.xid_events(scene, self._xids, self.failure_mode).items():
            found[gpu] = (events[0].node, [one.evidence(scene) for one in events])
        for gpu, node, evidence in [*_errors(scene), *_states(scene)]:
            found.setdefault(gpu, (node, []))[1].append(evidence)
        for gpu, (node, told) in found.items():
            entity = gpu_events.entity_of(scene, gpu, node)
            waits = all("waits for a reset" in one.text for one in told)
            yield gpu_events.finding(
                self.failure_mode, scene, entity, min(one.start for one in told), told,
                f"The memory of {entity.label} is at fault: {told[0].text}", gpus=(gpu,),
                confidence=0.75 if waits else 0.95,
            )  # fmt: skip


def _errors(scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
    frame = scene.frame(ERRORS)
    for labels, row in frame.rows():
        since = run_start(frame.times, row, row > 0.0)
        gpu, node = labels.get("gpu", ""), labels.get("node", "")
        if gpu and labels.get("error_type") == "uncorrected" and since is not None and row[-1] > 0:
            text = f"{row[-1]:.0f} uncorrectable memory errors in ten minutes."
            entity = gpu_events.entity_of(scene, gpu, node)
            yield (
                gpu,
                node,
                say(ERRORS, entity, since, scene.now, text, observed=float(row[-1]), upper=0.0),
            )


def _states(scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
    for (state, watch), text in _STATES.items():
        frame = scene.frame(watch)
        for labels, row in frame.rows():
            gpu, node = labels.get("gpu", ""), labels.get("node", "")
            if not gpu or labels.get("error_type", labels.get("cause", "")) != state:
                continue
            since = run_start(frame.times, row, row > 0.0)
            if since is not None and row[-1] > 0.0:
                entity = gpu_events.entity_of(scene, gpu, node)
                told = say(watch, entity, since, scene.now, text, observed=1.0, upper=0.0)
                yield gpu, node, told
