"""A GPU raised an Xid of its hardware or firmware that names no other failure mode."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import say
from fleet.xids import XidCatalogue, shipped
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

DAY = Watch(signals.GPU_XID, 86_400.0, 600.0, every=120.0)
"""Windows of ten minutes side by side: their sum is what a day brought."""


@dataclass(frozen=True, slots=True)
class GpuXid(Detector):
    """An Xid of the hardware, or one that comes again and again on the same GPU.

    A program's own Xids (an illegal address, a page fault) say nothing of the GPU; a replica that
    they take down is found as a dead engine, with the Xid in its evidence.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_XID
    watches: ClassVar[tuple[Watch, ...]] = (gpu_events.XID, gpu_events.RECOVERY, DAY)

    _xids: XidCatalogue = field(default_factory=shipped, repr=False)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU with such an Xid lately."""
        found: dict[str, tuple[str, list[Evidence]]] = {}
        for gpu, events in gpu_events.xid_events(scene, self._xids, self.failure_mode).items():
            found[gpu] = (events[0].node, [one.evidence(scene) for one in events])
        for gpu, node, evidence in self._repeated(scene):
            found.setdefault(gpu, (node, []))[1].append(evidence)
        for gpu, (node, told) in found.items():
            entity = gpu_events.entity_of(scene, gpu, node)
            yield gpu_events.finding(
                self.failure_mode, scene, entity, min(one.start for one in told), told,
                f"{entity.label} raised {told[0].text}", gpus=(gpu,), confidence=0.8,
            )  # fmt: skip

    def _repeated(self, scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
        frame = scene.frame(DAY)
        for labels, row in frame.rows():
            xid = self._xids.of(labels.get("xid", ""))
            gpu, node = labels.get("gpu", ""), labels.get("node", "")
            times = round(float(np.nansum(row)))
            if not gpu or xid.mode or not xid.repeats or times < xid.repeats:
                continue
            seen = frame.times[row > 0.0]
            if scene.now - seen[-1] > gpu_events.EVENT_SECONDS:
                continue
            entity = gpu_events.entity_of(scene, gpu, node)
            text = f"{xid.text}, {times} times within a day on this GPU."
            start = float(seen[0]) - 599.0
            yield gpu, node, say(
                DAY, entity, start, scene.now, text[:300], observed=float(times),
                upper=float(xid.repeats - 1),
            )  # fmt: skip
