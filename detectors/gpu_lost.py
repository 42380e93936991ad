"""A GPU has fallen off the bus, or is no longer there while its neighbours are."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import say, span
from estimators.onset import run_start
from fleet.xids import XidCatalogue, shipped
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

BEFORE = Watch(signals.TARGET_UP, 21_600.0, 300.0, every=120.0)
"""Which devices there were in the last hours."""


@dataclass(frozen=True, slots=True)
class GpuLost(Detector):
    """The driver says that a GPU is lost, or one of a node's GPUs is gone.

    A node that is drained, rebooted or not read takes all of its GPUs along, and none is lost;
    MIG instances come and go with their layout and are no devices.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_LOST
    watches: ClassVar[tuple[Watch, ...]] = (
        gpu_events.DEVICES, gpu_events.XID, gpu_events.RECOVERY, BEFORE,
    )  # fmt: skip

    missing_seconds: float = 600.0
    """How long a device must be missing while its neighbours answer: longer than a reload of the
    driver. Our judgement."""
    _xids: XidCatalogue = field(default_factory=shipped, repr=False)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU that is lost now."""
        found: dict[str, tuple[str, float, list[Evidence]]] = {}
        for gpu, events in gpu_events.xid_events(scene, self._xids, self.failure_mode).items():
            evidence = [one.evidence(scene) for one in events]
            found[gpu] = (events[0].node, events[0].since, evidence)
        for gpu, node, since, text in [*self._said(scene), *self._missing(scene)]:
            told = say(
                gpu_events.DEVICES, gpu_events.entity_of(scene, gpu, node), since, scene.now, text,
                observed=0.0, expected=1.0, lower=1.0,
            )  # fmt: skip
            _, earlier, evidence = found.get(gpu, (node, since, []))
            found[gpu] = (node, min(earlier, since), [*evidence, told])
        for gpu, (node, since, evidence) in found.items():
            entity = gpu_events.entity_of(scene, gpu, node)
            yield gpu_events.finding(
                self.failure_mode, scene, entity, since, evidence,
                f"{entity.label} is lost: {evidence[0].text}", gpus=(gpu,), confidence=0.95,
            )  # fmt: skip

    def _said(self, scene: Scene) -> Iterable[tuple[str, str, float, str]]:
        times = scene.frame(gpu_events.DEVICES).times
        for gpu, node, row in gpu_events.devices(scene, "lost"):
            since = run_start(times, row, row == 0.0)
            if since is not None and np.isfinite(row[times >= scene.now - 60.0]).any():
                yield gpu, node, since, "The driver says that it has fallen off the bus."

    def _missing(self, scene: Scene) -> Iterable[tuple[str, str, float, str]]:
        frame = scene.frame(gpu_events.DEVICES)
        begin = scene.now - self.missing_seconds
        present: dict[str, str] = {}
        steady: set[str] = set()
        for labels, row in frame.rows():
            target, node = labels.get("target", ""), labels.get("node", "")
            if not target.startswith(gpu_events.DEVICE):
                continue
            lately = np.isfinite(span(frame.times, row, begin, scene.now))
            if lately.any():
                present[target] = node
            if labels.get("verdict") == "ok" and lately.mean() > 0.5 and lately[-1]:
                steady.add(node)
        before = scene.frame(BEFORE)
        for labels, row in before.rows():
            target, node = labels.get("target", ""), labels.get("node", "")
            known = np.flatnonzero(np.isfinite(row))
            if not target.startswith(gpu_events.DEVICE) or target in present or node not in steady:
                continue
            if known.size and before.times[known[-1]] < begin:
                gpu = target.removeprefix(gpu_events.DEVICE)
                text = "It is no longer among the devices of its node, whose others answer."
                yield gpu, node, float(before.times[known[-1]]), text
