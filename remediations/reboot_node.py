"""R12: reboot a node whose GPUs only a boot brings back."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class RebootNode(Remediation):
    """One drained node at a time; after two boots with the same fault it goes to its owner."""

    card: ClassVar[str] = "R12"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.GPU_LOST,
        f.GPU_LINK_FAULT,
        f.GPU_DRIVER_HANG,
        f.GPU_RECOVERY_NEEDED,
        f.SLOW_INTERCONNECT,
        f.DEVICE_PLUGIN_BROKEN,
    )
    order: ClassVar[int] = 50

    most_reboots: int = 2
    """In a day, before it is the hardware's turn: gpud asks for an inspection after two."""
    minutes: int = 30
    """How long a GPU node may take until its replicas are ready again; our judgement."""
    image: str = "busybox:stable"
    """Image of the pod that reaches the host; nothing in it is used but chroot."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the node is known."""
        node = _fleet.node_of(incident, scene)
        if not node:
            return None
        known = _fleet.register(scene)
        left = known.by_node.get(node, [])
        gpus = sum(gpu.node == node for gpu in known.gpus.values())
        boots = sum(
            change.entity.kind is EntityKind.NODE
            and change.entity.id == node
            and "joined" in change.what
            for change in scene.changes
        )
        several = len({one.id for one in incident.entities if one.kind is EntityKind.NODE}) > 1
        word = _shell.word(f"node/{_shell.clean(node)}")
        return _fleet.action(
            incident,
            self.card,
            f"Reboot {node}",
            Autonomy.TWO_PEOPLE if several else Autonomy.APPROVAL,
            precondition=f"the node is drained ({len(left)} replicas are still on it), no other "
            f"node is being rebooted, and it came back {boots} times in the last day (at most "
            f"{self.most_reboots})",
            met=not left and boots < self.most_reboots,
            command=f"kubectl debug {word} --profile=sysadmin --image={_shell.word(self.image)} "
            "-- chroot /host systemctl reboot",
            dry_run="There is no dry run of this; what would be lost: kubectl get pods "
            f"--all-namespaces {_shell.flag('field-selector', 'spec.nodeName=' + node)}",
            verify=f"within {self.minutes} min: kubectl get node shows Ready, and {gpus} GPUs are "
            "allocatable again",
            undo="None; uncordon it when the check has passed.",
            risk=f"The node and its {gpus} GPUs are away for up to {self.minutes} min; it may not "
            "come back.",
        )
