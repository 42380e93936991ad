"""Memory of a GPU is held although nobody has been given that GPU."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, say
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Gpu
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

MEMORY = Watch(signals.GPU_MEMORY, 3600.0, 60.0)
HELD = Watch(signals.GPU_ALLOCATION, 3600.0, 60.0)
PROCESSES = Watch(signals.GPU_UNALLOCATED_MEMORY, 3600.0, 60.0)


@dataclass(frozen=True, slots=True)
class OrphanedGpuMemory(Detector):
    """Gibibytes are in use on a GPU that no replica holds.

    It speaks only where somebody tells who holds the other GPUs of that node.
    Where the process can be named, that it uses a GPU it was not given is another finding; this
    one speaks of memory whose owner nobody sees, such as that of a worker that was never reaped.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ORPHANED_GPU_MEMORY
    watches: ClassVar[tuple[Watch, ...]] = (MEMORY, HELD, PROCESSES)

    hold_seconds: float = 1800.0
    """How long: a pod that ends frees its memory within seconds, a new one takes minutes to be
    told of. Our judgement."""
    least_gib: float = 2.0
    """Memory from which it counts; contexts and daemons take some hundred MiB."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU with such memory."""
        memory = by(scene.frame(MEMORY), "gpu")
        named = by(scene.frame(PROCESSES), "gpu")
        held: dict[str, Array] = {}
        for labels, row in scene.frame(HELD).rows():  # one holder after another
            before = held.get(labels.get("gpu", ""), row)
            held[labels.get("gpu", "")] = np.where(np.isfinite(row), row, before)
        told = {one.node for one in scene.gpus if one.entity.id in held}
        times = scene.frame(MEMORY).times
        for gpu in scene.gpus:
            used = memory.get(gpu.entity.id)
            if used is None or gpu.node not in told or gpu.entity.id in named or gpu.shares:
                continue
            free = ~np.isfinite(held.get(gpu.entity.id, np.full(len(times), np.nan)))
            since = run_start(times, used, (used >= self.least_gib * 2**30) & free)
            if since is not None and scene.now - since >= self.hold_seconds:
                yield self._finding(scene, gpu, since, float(used[np.isfinite(used)][-1]))

    def _finding(self, scene: Scene, gpu: Gpu, since: float, used: float) -> Finding:
        text = f"{used / 2**30:.1f} GiB of {gpu.entity.label[:80]} are in use, and nobody holds it."
        evidence = say(
            MEMORY, gpu.entity, since, scene.now, text,
            observed=used, upper=self.least_gib * 2**30,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=gpu.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=(evidence,),
            text=text,
        )
