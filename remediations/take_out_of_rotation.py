"""R01: take one replica out of rotation and keep it for the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet, _shell
from remediations._kubernetes import NO_DRY_RUN, shown, workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import RUNNING


@dataclass(frozen=True, slots=True)
class TakeOutOfRotation(Remediation):
    """Label the pod so that its Service no longer selects it; nothing is killed."""

    card: ClassVar[str] = "R01"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.ENGINE_STALLED,
        f.TARGET_HUNG,
        f.STRAGGLER_GPU,
        f.THROUGHPUT_REGRESSION,
        f.GPU_MEMORY_FAULT,
        f.COLLECTIVE_HANG,
        f.GPU_LOST,
        f.GPU_LINK_FAULT,
        f.LOAD_SKEW,
        f.GARBAGE_OUTPUT,
        f.NOISY_NEIGHBOUR,
        f.UNALLOCATED_GPU_PROCESS,
        f.CUDA_OOM,
        f.SHRUNK_KV_CACHE,
    )
    order: ClassVar[int] = 10
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.LOAD_SKEW: 20,
        f.THROUGHPUT_REGRESSION: 30,
        f.CUDA_OOM: 40,
        f.SHRUNK_KV_CACHE: 30,
    }

    label: str = "serving"
    """Label that the Service's selector asks for; a convention of ours, yours may differ."""
    value: str = "quarantined"
    """What the label is set to, so that the selector matches no more."""
    restored: str = "true"
    """What the label was, for the undo."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """Quarantine the replica, when its siblings can carry on."""
        replica = _fleet.hit(incident, scene)
        if replica is None:
            return None
        left, name = _fleet.left_without(replica, incident, scene), replica.entity.label
        verify = until(RUNNING, "replica", replica.entity.id, "falls to 0", 5)
        known = workload(replica)
        if known is None:
            where = _shell.clean(replica.target or name)
            command = f"By hand: take {where} out of the load balancer or the gateway's model list."
            dry_run, undo, call = NO_DRY_RUN, "Put it back.", None
        else:
            label = f"kubectl label {known.pod_word} {known.in_namespace} --overwrite "
            command = label + _shell.word(f"{self.label}={self.value}")
            dry_run, undo = shown(command), label + _shell.word(f"{self.label}={self.restored}")
            call = _calls.label_pod(known, self.label, self.value)
        return _fleet.action(
            incident,
            self.card,
            f"Take {name} out of rotation",
            Autonomy.ONE_CLICK,
            precondition=f"{left.text}; the Service selects by the label {self.label}",
            met=left.met,
            command=command,
            dry_run=dry_run,
            verify=verify,
            undo=undo,
            risk="One replica; its controller may start a replacement, which needs a GPU.",
            call=call,
            check=watched(RUNNING, "replica", replica.entity.id, Goal.AT_MOST, 5),
        )
