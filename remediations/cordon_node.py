"""R09: let no more work come to a node whose hardware is in doubt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet, _shell
from remediations._watching import SHOWN
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class CordonNode(Remediation):
    """Mark the node unschedulable; what runs there goes on."""

    card: ClassVar[str] = "R09"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.STRAGGLER_GPU,
        f.GPU_LOST,
        f.GPU_MEMORY_FAULT,
        f.GPU_LINK_FAULT,
        f.GPU_DRIVER_HANG,
        f.GPU_XID,
        f.GPU_RECOVERY_NEEDED,
        f.COLLECTIVE_HANG,
        f.SLOW_INTERCONNECT,
        f.ORPHANED_GPU_MEMORY,
        f.UNALLOCATED_GPU_PROCESS,
        f.DISK_FULL,
        f.DEVICE_PLUGIN_BROKEN,
        f.SHRUNK_KV_CACHE,
    )
    order: ClassVar[int] = 20
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.COLLECTIVE_HANG: 40,
        f.DEVICE_PLUGIN_BROKEN: 30,
        f.SHRUNK_KV_CACHE: 10,
    }

    least_left: float = 0.8
    """Share of nodes that must stay in service: Amazon EKS stops repairing a group of nodes when
    more than 20 % of it are unhealthy."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the node is known and a cluster runs it."""
        node = _fleet.node_of(incident, scene)
        if not node:
            return None
        nodes = _fleet.register(scene).nodes | {node}
        total, left = len(nodes), len(nodes) - 1
        return _fleet.action(
            incident,
            self.card,
            f"Cordon {node}",
            Autonomy.ONE_CLICK,
            precondition=f"leaves {left} of {total} nodes that are seen",
            met=left >= self.least_left * total or (total <= 5 and left >= 1),
            command=f"kubectl cordon {_shell.named('node', node)}",
            dry_run=f"kubectl cordon {_shell.named('node', node)} --dry-run=server",
            verify="within 1 min: kubectl get node shows SchedulingDisabled",
            undo=f"kubectl uncordon {_shell.named('node', node)}",
            risk="No pod is touched; the node's free GPUs are out of reach until it is uncordoned.",
            call=_calls.cordon(node),
            check=SHOWN,
        )
