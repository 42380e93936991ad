"""R10: move everything off a node whose hardware has failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class DrainNode(Remediation):
    """Evict the node's pods within their disruption budgets."""

    card: ClassVar[str] = "R10"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.GPU_LOST,
        f.GPU_MEMORY_FAULT,
        f.STRAGGLER_GPU,
        f.GPU_LINK_FAULT,
        f.GPU_DRIVER_HANG,
        f.GPU_RECOVERY_NEEDED,
        f.SLOW_INTERCONNECT,
        f.ORPHANED_GPU_MEMORY,
        f.NOISY_NEIGHBOUR,
        f.DEVICE_PLUGIN_BROKEN,
    )
    order: ClassVar[int] = 30
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.NOISY_NEIGHBOUR: 40,
        f.DEVICE_PLUGIN_BROKEN: 40,
    }

    timeout: str = "15m"
    """How long evictions may take before kubectl gives up."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the node is known; spare GPUs elsewhere decide whether it is safe."""
        node = _fleet.node_of(incident, scene)
        if not node:
            return None
        moved = _fleet.register(scene).by_node.get(node, [])
        needed = sum(len(one.gpus) for one in moved)
        free = _fleet.free_gpus(scene, without_node=node)
        flags = f"--ignore-daemonsets --delete-emptydir-data {_shell.flag('timeout', self.timeout)}"
        command = f"kubectl drain {_shell.named('node', node)} {flags}"
        return _fleet.action(
            incident,
            self.card,
            f"Drain {node}",
            Autonomy.APPROVAL,
            precondition=f"the node is cordoned; {len(moved)} replicas with {needed} GPUs move, "
            f"and {free} free GPUs are seen elsewhere",
            # Nodes may be provisioned on demand: too few seen is not a no.
            met=True if free >= needed else None,
            command=command,
            dry_run=f"{command} --dry-run=server",
            verify=f"within {self.timeout}: no GPU pod is left on the node, and its replicas are "
            "Ready elsewhere",
            undo=f"kubectl uncordon {_shell.named('node', node)} (pods do not come back by "
            "themselves)",
            risk="Every pod on the node; model weights cached there are lost.",
        )
