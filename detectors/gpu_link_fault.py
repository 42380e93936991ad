"""NVLink: a link is down, errors are more than it mends, or the switch reports a fatal fault."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import middle, say, span
from estimators.onset import run_start
from fleet import identity
from fleet.xids import XidCatalogue, shipped
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

ERRORS = Watch(signals.GPU_NVLINK_ERRORS, 1800.0, 30.0)
LINKS = Watch(signals.GPU_NVLINKS, 3600.0, 60.0)
FABRIC = Watch(signals.GPU_FABRIC_FAULT, 1800.0, 30.0)
SWITCH = Watch(signals.NVSWITCH_SXID, 1800.0, 30.0)

_BROKEN = frozenset(
    {"recovery", "link_recovery_failed", "malformed_packet", "buffer_overrun", "link_integrity"}
)
"""Kinds of which one is one too many; `symbol` and `effective` count what error correction met."""
_MENDED = frozenset({"crc_flit", "crc_data", "replay", "receive"})
"""Kinds that the link mends by sending again: many of them cost bandwidth."""


@dataclass(frozen=True, slots=True)
class GpuLinkFault(Detector):
    """NVLinks of a GPU fail, or a switch of its node reports a fatal fault."""

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_LINK_FAULT
    watches: ClassVar[tuple[Watch, ...]] = (
        gpu_events.XID, gpu_events.RECOVERY, ERRORS, LINKS, FABRIC, SWITCH,
    )  # fmt: skip

    mended_errors: float = 100.0
    """Errors in ten minutes that were mended by sending again, from which the link is sick. A
    healthy one has none for days; our judgement."""
    hold_seconds: float = 120.0
    """How long a link must be down, or the fabric at fault. Our judgement."""
    _xids: XidCatalogue = field(default_factory=shipped, repr=False)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU whose links are at fault, and every node whose switch is."""
        found: dict[str, tuple[str, list[Evidence]]] = {}
        for gpu, events in gpu_events.xid_events(scene, self._xids, self.failure_mode).items():
            found[gpu] = (events[0].node, [one.evidence(scene) for one in events])
        seen = [*self._errors(scene), *self._links(scene), *self._fabric(scene)]
        for gpu, node, evidence in seen:
            found.setdefault(gpu, (node, []))[1].append(evidence)
        for gpu, (node, told) in found.items():
            entity = gpu_events.entity_of(scene, gpu, node)
            yield gpu_events.finding(
                self.failure_mode, scene, entity, min(one.start for one in told), told,
                f"The NVLinks of {entity.label} are at fault: {told[0].text}", gpus=(gpu,),
                confidence=0.9,
            )  # fmt: skip
        yield from self._switches(scene)

    def _errors(self, scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
        frame = scene.frame(ERRORS)
        for labels, row in frame.rows():
            kind, gpu = labels.get("error_type", ""), labels.get("gpu", "")
            limit = 0.5 if kind in _BROKEN else self.mended_errors
            since = run_start(frame.times, row, row > limit)
            if gpu and kind in _BROKEN | _MENDED and since is not None and row[-1] > limit:
                yield gpu, labels.get("node", ""), say(
                    ERRORS, gpu_events.entity_of(scene, gpu, labels.get("node", "")), since,
                    scene.now, f"{row[-1]:.0f} NVLink errors ({kind}) in ten minutes.",
                    observed=float(row[-1]), upper=limit,
                )  # fmt: skip

    def _links(self, scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
        """Links that were up within the hour and are no more."""
        frame = scene.frame(LINKS)
        for labels, row in frame.rows():
            gpu, node = labels.get("gpu", ""), labels.get("node", "")
            known = row[np.isfinite(row)]
            if labels.get("state") != "up" or not gpu or not known.size:
                continue
            usual = float(known.max())
            since = run_start(frame.times, row, row < usual)
            now = middle(span(frame.times, row, scene.now - self.hold_seconds, scene.now))
            if since is not None and scene.now - since >= self.hold_seconds and now < usual:
                yield gpu, node, say(
                    LINKS, gpu_events.entity_of(scene, gpu, node), since, scene.now,
                    f"{now:.0f} of {usual:.0f} NVLinks are up.", observed=now, expected=usual,
                )  # fmt: skip

    def _fabric(self, scene: Scene) -> Iterable[tuple[str, str, Evidence]]:
        frame = scene.frame(FABRIC)
        for labels, row in frame.rows():
            gpu, node = labels.get("gpu", ""), labels.get("node", "")
            since = run_start(frame.times, row, row > 0.0)
            if gpu and since is not None and scene.now - since >= self.hold_seconds:
                what = labels.get("fault", "").replace("_", " ")
                yield gpu, node, say(
                    FABRIC, gpu_events.entity_of(scene, gpu, node), since, scene.now,
                    f"The fabric reports: {what}.", observed=1.0, upper=0.0,
                )  # fmt: skip

    def _switches(self, scene: Scene) -> Iterable[Finding]:
        """Nodes on which a switch raised a fatal SXid; the non-fatal ones mend themselves."""
        frame = scene.frame(SWITCH)
        fatal: dict[str, list[Evidence]] = {}
        for labels, row in frame.rows():
            seen, node = np.flatnonzero(row > 0.0), labels.get("node", "")
            if labels.get("severity") != "fatal" or not node or not seen.size:
                continue
            if frame.times[seen[-1]] > scene.now - gpu_events.EVENT_SECONDS + 600.0:
                text = f"An NVLink switch raised the fatal SXid {labels.get('sxid', '')}."
                start = float(frame.times[seen[0]])
                told = say(SWITCH, identity.node(node), start, scene.now, text, observed=1)
                fatal.setdefault(node, []).append(told)
        for node, faults in fatal.items():
            gpus = [one.entity.id for one in scene.gpus if one.node == node]
            yield gpu_events.finding(
                self.failure_mode, scene, identity.node(node),
                min(one.start for one in faults), faults,
                f"The NVLink switch of {node} is at fault: {faults[0].text}", gpus=gpus,
                confidence=0.9,
            )  # fmt: skip
