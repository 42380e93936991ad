"""R11: reset one GPU that nothing runs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import GPU_RECOVERY

RECOVERY = Watch(GPU_RECOVERY, 900.0, 30.0)
_RESETS = frozenset({"gpu_reset", "drain_and_reset"})


@dataclass(frozen=True, slots=True)
class ResetGpu(Remediation):
    """`nvidia-smi --gpu-reset` on the node, when the driver asks for it and the GPU is empty."""

    card: ClassVar[str] = "R11"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.GPU_RECOVERY_NEEDED,
        f.GPU_MEMORY_FAULT,
        f.GPU_DRIVER_HANG,
        f.GPU_XID,
        f.COLLECTIVE_HANG,
        f.ORPHANED_GPU_MEMORY,
        f.UNALLOCATED_GPU_PROCESS,
        f.SHRUNK_KV_CACHE,
    )
    order: ClassVar[int] = 40
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.SHRUNK_KV_CACHE: 20,
    }

    minutes: float = 10.0
    """How long a reset may take, the checks after it included; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When a GPU is known, and unless its driver asks for something else."""
        uuid = self._gpu(incident, scene)
        known = _fleet.register(scene)
        if not uuid:
            return None
        node = _fleet.node_of(incident, scene)
        asked = _asked(scene, uuid)
        held = known.by_gpu.get(uuid, [])
        others = [gpu for gpu in known.gpus.values() if gpu.node == node and gpu.entity.id != uuid]
        busy = [gpu for gpu in others if gpu.entity.id in known.by_gpu or gpu.replicas]
        gpu = f"--id={_shell.word(uuid)}"
        where = f"on {node}" if node else "on its node"
        return _fleet.action(
            incident,
            self.card,
            f"Reset GPU {uuid}",
            Autonomy.APPROVAL,
            precondition=f"{len(held)} replicas run on it and none may; the driver asks for "
            f"{' and '.join(asked).replace('_', ' ') or 'nothing that we know of'}; exporter and "
            f"device plugin {where} are stopped, NVLink peers are idle ({len(busy)} of "
            f"{len(others)} other GPUs there are in use)",
            met=_met(asked, held=bool(held), busy=bool(busy)),
            command=f"sudo nvidia-smi --gpu-reset {gpu}",
            dry_run="There is no dry run of this; who would be killed: "
            f"nvidia-smi {gpu} --query-compute-apps=pid,process_name,used_memory --format=csv",
            verify=until(RECOVERY.signal, "gpu", uuid, 'is 1 for action="none"', self.minutes)
            + "; then dcgmi diag --run 2 passes",
            undo="None.",
            risk=f"Kills every process on this GPU, and on {len(others)} others {where} where "
            "NVLink ties them together.",
        )

    def _gpu(self, incident: Incident, scene: Scene) -> str:
        """The GPU to reset: the incident's own, else the only one of the replica it hits."""
        named = [one.id for one in incident.entities if one.kind is EntityKind.GPU]
        replica = _fleet.hit(incident, scene)
        only = replica.gpus if replica is not None and len(replica.gpus) == 1 else ()
        return next(iter((*named, *only)), "")


def _asked(scene: Scene, uuid: str) -> list[str]:
    """What the driver says that this GPU needs; empty when it says nothing."""
    frame = scene.frame(RECOVERY).where(gpu=uuid)
    told = {labels.get("action", "") for labels, row in frame.rows() if row[-1] > 0.0}
    return sorted(told - {"", "none"})


def _met(asked: list[str], *, held: bool, busy: bool) -> bool | None:
    """False while something runs on it or the driver wants more than a reset."""
    if held or (asked and not _RESETS & set(asked)):
        return False
    return True if asked and not busy else None
