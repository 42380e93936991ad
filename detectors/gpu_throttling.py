"""Several GPUs of a node are braked by heat or by their power supply at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import say
from detectors._throttling import HARMFUL, THROTTLED
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

TEMPERATURE = Watch(signals.GPU_TEMPERATURE, 3600.0, 30.0)

Braked = dict[str, tuple[float, set[str]]]
"""GPU → since when, and by which reasons."""


@dataclass(frozen=True, slots=True)
class GpuThrottling(Detector):
    """Cooling or power of a place fails: its GPUs are braked together.

    One slow card among healthy ones is a straggler and not meant here; nor is the software power
    cap, under which all cards of a busy node run.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GPU_THROTTLING
    watches: ClassVar[tuple[Watch, ...]] = (THROTTLED, TEMPERATURE, gpu_events.RECOVERY)

    hold_seconds: float = 420.0
    """How long a brake must come again and again: one moment of it fills five minutes of the
    signal. gpud asks for 0.6 events a minute over ten."""
    node_share: float = 0.2
    """Share of a node's GPUs above which it is the place and not the card."""
    least_gpus: int = 2
    """Fewer braked GPUs are stragglers."""
    fleet_share: float = 0.2
    """Share of all GPUs, on two nodes or more, from which it wakes somebody: a room or a rack."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every node whose GPUs are braked together."""
        braked = self._braked(scene)
        if len(braked) < self.least_gpus:
            return
        by_node: dict[str, list[str]] = {}
        for gpu in scene.gpus:
            by_node.setdefault(gpu.node, []).append(gpu.entity.id)
        hit = {
            node: held
            for node, gpus in by_node.items()
            if len(held := [one for one in gpus if one in braked]) >= self.least_gpus
            and len(held) > self.node_share * len(gpus)
        }
        wide = len(hit) >= 2 and len(braked) >= self.fleet_share * len(scene.gpus)
        for node, held in hit.items():
            since = min(braked[gpu][0] for gpu in held)
            reasons = ", ".join(sorted({one for gpu in held for one in braked[gpu][1]}))
            where = identity.node(node)
            text = f"{len(held)} of {len(by_node[node])} GPUs are braked by {reasons}."
            evidence = [
                say(
                    THROTTLED, where, since, scene.now, text,
                    observed=float(len(held)), expected=0.0, upper=float(self.least_gpus - 1),
                ),
                *_heat(scene, held, since),
            ]  # fmt: skip
            yield gpu_events.finding(
                self.failure_mode, scene, where, since, evidence, f"On {node} {text}",
                gpus=held, confidence=0.9, severity=Severity.CRITICAL if wide else None,
            )  # fmt: skip

    def _braked(self, scene: Scene) -> Braked:
        frame = scene.frame(THROTTLED)
        found: Braked = {}
        for labels, row in frame.rows():
            reason, gpu = labels.get("reason", ""), labels.get("gpu", "")
            if not gpu or not row[-1] > 0.0 or not any(part in reason for part in HARMFUL):
                continue
            since = run_start(frame.times, row, row > 0.0)
            if since is not None and scene.now - since >= self.hold_seconds:
                earliest, reasons = found.get(gpu, (since, set()))
                found[gpu] = (min(earliest, since), reasons | {reason})
        return found


def _heat(scene: Scene, gpus: list[str], since: float) -> Iterable[Evidence]:
    frame = scene.frame(TEMPERATURE)
    for labels, row in frame.rows():
        if labels.get("gpu") in gpus and np.isfinite(row[-1]):
            entity = gpu_events.entity_of(scene, labels["gpu"], labels.get("node", ""))
            text = f"{row[-1]:.0f} °C now."
            yield say(TEMPERATURE, entity, since, scene.now, text, observed=float(row[-1]))
