"""Somebody computes on a GPU that Kubernetes did not give them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import say
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, Gpu
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

PROCESSES = Watch(signals.GPU_UNALLOCATED_MEMORY, 3600.0, 60.0)
STRANGERS = Watch(signals.GPU_STRANGER_MEMORY, 3600.0, 60.0)
DAEMONS = (
    "nvidia-persiste", "nvidia-cuda-mps", "nv-hostengine", "nv-fabricmanage", "nvidia-smi",
    "dcgm-exporter", "dcgmproftester", "nvsm_core", "Xorg", "Xwayland", "gnome-shell",
)  # fmt: skip

_Who = tuple[str, str, str]
"""Namespace and pod, where there is one, and command."""


@dataclass(frozen=True, slots=True)
class UnallocatedGpuProcess(Detector):
    """A process holds memory of a GPU that nobody gave it.

    A host process, a privileged pod, or one that sees all GPUs by its environment. It takes memory
    and time from the pod that pays for the GPU, and no scheduler knows of it. A ticket where a pod
    holds the GPU, context where it is free.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.UNALLOCATED_GPU_PROCESS
    watches: ClassVar[tuple[Watch, ...]] = (PROCESSES, STRANGERS)

    hold_seconds: float = 600.0
    """How long it must stay: a person who looks once with a small script is no finding."""
    least_mib: float = 64.0
    """Memory from which it counts; a bare CUDA context takes some hundred MiB."""
    daemons: tuple[str, ...] = DAEMONS
    """Commands of driver and desktop, cut at 15 characters as the kernel does. A process chooses
    its own name: whoever wants to hide can."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every GPU with such processes, once."""
        known = {one.entity.id: one for one in scene.gpus}
        for uuid, rows in self._rows(scene).items():
            held = {
                who: since
                for who, (times, row) in rows.items()
                if (since := self._since(times, row, scene.now)) is not None
            }
            if held:
                levels = {who: float(rows[who][1][-1]) for who in held}
                yield self._finding(scene, uuid, known.get(uuid), levels, min(held.values()))

    def _rows(self, scene: Scene) -> dict[str, dict[_Who, tuple[Array, Array]]]:
        """By GPU or MIG instance and owner; both signals may tell of the same."""
        found: dict[str, dict[_Who, tuple[Array, Array]]] = {}
        for watch in (STRANGERS, PROCESSES):
            frame = scene.frame(watch)
            for labels, row in frame.rows():
                who = tuple(labels.get(name, "") for name in ("namespace", "pod", "command"))
                uuid = labels.get("mig") or labels.get("gpu", "")
                if uuid and who[2] not in self.daemons:
                    found.setdefault(uuid, {})[who[0], who[1], who[2]] = frame.times, row
        return found

    def _since(self, times: Array, row: Array, now: float) -> float | None:
        held = np.nan_to_num(row)  # gone and not told are one here: it has to be seen throughout
        since = run_start(times, held, held >= self.least_mib * 2**20)
        return since if since is not None and now - since >= self.hold_seconds else None

    def _finding(
        self, scene: Scene, uuid: str, gpu: Gpu | None, levels: Mapping[_Who, float], since: float
    ) -> Finding:
        entity = gpu.entity if gpu else identity.gpu(uuid)
        names = sorted(levels, key=lambda who: -levels[who])
        total = sum(levels.values()) / 2**30
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        told = ", ".join(_name(who) for who in names[:2]) + more
        holders = _holders(scene, uuid, gpu)
        harm = " beside the pod that was given it" if holders else ", which no pod holds"
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING if holders else Severity.INFO,
            confidence=0.9,
            evidence=(
                say(
                    PROCESSES, entity, since, scene.now,
                    f"{told}: {total:.1f} GiB held without an allocation.",
                    observed=sum(levels.values()), expected=0.0, upper=0.0,
                ),
            ),
            text=f"{told} uses {entity.label[:80]}{harm}.",
            pool=next((one.pool for one in map(scene.replica, holders) if one), ""),
            model=next((one.model for one in map(scene.replica, holders) if one), ""),
            related=tuple(_related(holders)),
        )  # fmt: skip


def _holders(scene: Scene, uuid: str, gpu: Gpu | None) -> list[str]:
    """Replicas that were given it."""
    told = {one.replica for each in scene.gpus for one in each.shares
            if one.replica and uuid in {one.mig, each.entity.id}}  # fmt: skip
    return sorted({*told, *(gpu.replicas if gpu else ())})


def _related(holders: Iterable[str]) -> Iterable[Entity]:
    return (identity.replica(one) for one in holders)


def _name(who: _Who) -> str:
    namespace, pod, command = who
    if pod:
        return f"pod {namespace}/{pod}"[:80]
    return f"{command} of the host" if command else "a process of the host"
