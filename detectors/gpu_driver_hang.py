"""The GPU's driver or firmware does not answer any more."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import say
from estimators.onset import run_start
from fleet import identity
from fleet.xids import XidCatalogue, shipped
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch


@dataclass(frozen=True, slots=True)
class GpuDriverHang(Detector):
    """Calls to the driver hang, or an Xid says that driver or firmware stopped.

    On two nodes within the half hour it is the driver's own fault and no board's: that is a page.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_DRIVER_HANG
    watches: ClassVar[tuple[Watch, ...]] = (
        gpu_events.DEVICES, gpu_events.XID, gpu_events.RECOVERY,
    )  # fmt: skip

    hold_seconds: float = 90.0
    """How long calls must hang: six readings at 15 s; a driver that initialises takes seconds."""
    nodes_that_page: int = 2
    """Nodes within the half hour from which it wakes somebody. Our judgement."""
    _xids: XidCatalogue = field(default_factory=shipped, repr=False)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU, or node as a whole, whose driver hangs."""
        found: dict[str, tuple[str, list[Evidence]]] = {}
        for gpu, events in gpu_events.xid_events(scene, self._xids, self.failure_mode).items():
            found[gpu] = (events[0].node, [one.evidence(scene) for one in events])
        for gpu, node, row in gpu_events.devices(scene, "hung"):
            entity = gpu_events.entity_of(scene, gpu, node)
            for told in self._hung(scene, entity, "Calls about it hang.", row):
                found.setdefault(gpu, (node, []))[1].append(told)
        whole = dict(self._nodes(scene))
        nodes = {node for node, _ in found.values()} | whole.keys()
        severity = Severity.CRITICAL if len(nodes - {""}) >= self.nodes_that_page else None
        for gpu, (node, evidence) in found.items():
            if node in whole:
                continue  # its node says it for all of them
            entity = gpu_events.entity_of(scene, gpu, node)
            yield gpu_events.finding(
                self.failure_mode, scene, entity, min(one.start for one in evidence), evidence,
                f"The driver of {entity.label} hangs: {evidence[0].text}", gpus=(gpu,),
                confidence=0.9, severity=severity,
            )  # fmt: skip
        yield from self._whole(scene, whole, found, severity)

    def _whole(
        self,
        scene: Scene,
        whole: Mapping[str, Evidence],
        found: Mapping[str, tuple[str, list[Evidence]]],
        severity: Severity | None,
    ) -> Iterable[Finding]:
        for node, told in whole.items():
            more = [one for where, some in found.values() if where == node for one in some]
            gpus = [one.entity.id for one in scene.gpus if one.node == node]
            yield gpu_events.finding(
                self.failure_mode, scene, identity.node(node),
                min(one.start for one in (told, *more)), [told, *more],
                f"The GPU driver of {node} hangs as a whole.", gpus=gpus, confidence=0.9,
                severity=severity,
            )  # fmt: skip

    def _nodes(self, scene: Scene) -> Iterable[tuple[str, Evidence]]:
        for labels, row in scene.frame(gpu_events.DEVICES).rows():
            source, node = labels.get("target", ""), labels.get("node", "")
            if source.startswith("node/nvml") and labels.get("verdict") == "hung" and node:
                said = (identity.node(node), "No call to the driver comes back.")
                for told in self._hung(scene, *said, row):
                    yield node, told

    def _hung(self, scene: Scene, entity: Entity, text: str, row: Array) -> Iterable[Evidence]:
        times = scene.frame(gpu_events.DEVICES).times
        since = run_start(times, row, row == 0.0)
        goes_on = np.isfinite(row[times >= scene.now - 60.0]).any()
        if since is not None and goes_on and scene.now - since >= self.hold_seconds:
            yield say(
                gpu_events.DEVICES, entity, since, scene.now, text,
                observed=0.0, expected=1.0, lower=1.0,
            )  # fmt: skip
