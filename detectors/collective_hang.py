"""GPUs are busy and do no work: they spin in a collective that one rank never joins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gpu_events as gpu_events
from detectors._evidence import by, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

STEPS = Watch(signals.STEP_RATE, 1800.0, 15.0)
TOKENS = Watch(signals.OUTPUT_TOKEN_RATE, 1800.0, 15.0)
RUNNING = Watch(signals.RUNNING, 1800.0, 15.0)
BUSY = Watch(signals.GPU_UTILIZATION, 1800.0, 15.0)
POWER = Watch(signals.GPU_POWER, 1800.0, 15.0)
POWER_LIMIT = Watch(signals.GPU_POWER_LIMIT, 1800.0, 60.0)
TENSOR = Watch(signals.GPU_TENSOR_ACTIVE, 1800.0, 15.0)

Rows = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class CollectiveHang(Detector):
    """A replica with work takes no step while its GPUs are busy without effort.

    Utilisation counts the time in which any kernel ran, and a kernel that waits for a peer runs.
    What it does not do is draw power or use the tensor cores. A stall in which the GPUs are idle,
    or busy in earnest, is an engine's stall and not this.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.COLLECTIVE_HANG
    watches: ClassVar[tuple[Watch, ...]] = (
        STEPS, TOKENS, RUNNING, BUSY, POWER, POWER_LIMIT, TENSOR, gpu_events.RECOVERY,
    )  # fmt: skip

    hold_seconds: float = 120.0
    """How long it must go on: no step of a healthy engine takes two minutes. Our judgement."""
    busy_share: float = 0.95
    """Utilisation of a GPU that spins."""
    idle_tensor: float = 0.02
    """Share of cycles with a tensor pipe busy, below which nothing is computed. Our judgement."""
    power_share: float = 0.5
    """Power over the board's limit, below which a GPU at full utilisation only waits. Our
    judgement; a spinning board was seen at about a third."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose GPUs spin."""
        still = self._still(scene)
        if not still:
            return
        busy, power, tensor = (by(scene.frame(one), "gpu") for one in (BUSY, POWER, TENSOR))
        limit = by(scene.frame(POWER_LIMIT), "gpu")
        for replica in scene.replicas:
            since = still.get(replica.entity.id)
            if since is None or not replica.gpus:
                continue
            effort = [self._effort(scene, gpu, power, limit, tensor) for gpu in replica.gpus]
            spins = all(self._all_above(scene, busy.get(gpu)) for gpu in replica.gpus)
            if spins and all(effort):
                yield self._finding(scene, replica, since, [one for one in effort if one])

    def _still(self, scene: Scene) -> dict[str, float]:
        """Replica → since when it has work and takes no step."""
        times = scene.frame(STEPS).times
        steps, tokens, running = (
            by(scene.frame(one), "replica") for one in (STEPS, TOKENS, RUNNING)
        )
        found = {}
        for name, work in running.items():
            beat = steps.get(name, tokens.get(name))
            if beat is None:
                continue
            since = run_start(times, beat, (beat == 0.0) & ~(work <= 0.0))
            known = np.isfinite(span(times, beat, scene.now - self.hold_seconds, scene.now))
            if since is not None and scene.now - since >= self.hold_seconds and known.sum() >= 4:
                found[name] = since
        return found

    def _all_above(self, scene: Scene, row: Array | None) -> bool:
        if row is None:
            return False
        part = span(scene.frame(BUSY).times, row, scene.now - self.hold_seconds, scene.now)
        part = part[np.isfinite(part)]
        return part.size >= 4 and bool((part >= self.busy_share).all())

    def _effort(
        self, scene: Scene, gpu: str, power: Rows, limit: Rows, tensor: Rows
    ) -> Evidence | None:
        """Evidence that this GPU does not work; None where it does, or nobody can tell."""
        entity = gpu_events.entity_of(scene, gpu, "")
        begin = scene.now - self.hold_seconds / 2.0
        pipes, watts = _now(scene, TENSOR, tensor.get(gpu)), _now(scene, POWER, power.get(gpu))
        most = _now(scene, POWER_LIMIT, limit.get(gpu))
        if np.isfinite(pipes):
            text = f"Tensor pipes are busy for {pipes:.1%} of the cycles, at full utilisation."
            told = say(
                TENSOR, entity, begin, scene.now, text, observed=pipes, lower=self.idle_tensor
            )
            return told if pipes < self.idle_tensor else None
        if np.isfinite(watts) and most > 0.0 and watts < self.power_share * most:
            text = f"{watts:.0f} of {most:.0f} W at full utilisation: it waits and does not work."
            lower = self.power_share * most
            return say(POWER, entity, begin, scene.now, text, observed=watts, lower=lower)
        return None

    def _finding(
        self, scene: Scene, replica: Replica, since: float, effort: list[Evidence]
    ) -> Finding:
        text = (
            f"{replica.entity.label} has work and has taken no step for"
            f" {scene.now - since:.0f} s, while its {len(replica.gpus)} GPUs spin"
        )
        still = say(
            STEPS, replica.entity, since, scene.now, "No step is taken while requests are in the"
            " batch.", observed=0.0, lower=0.0,
        )  # fmt: skip
        return gpu_events.finding(
            self.failure_mode, scene, replica.entity, since, [still, *effort], f"{text}.",
            gpus=replica.gpus, confidence=0.95, severity=Severity.CRITICAL,
        )  # fmt: skip


def _now(scene: Scene, watch: Watch, row: Array | None) -> float:
    """Median of the last two minutes; NaN where nothing is known."""
    if row is None:
        return float("nan")
    part = span(scene.frame(watch).times, row, scene.now - 120.0, scene.now)
    part = part[np.isfinite(part)]
    return float(np.median(part)) if part.size else float("nan")
