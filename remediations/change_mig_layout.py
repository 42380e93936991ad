"""R15: give neighbours on one GPU walls between them."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet, _shell
from remediations._kubernetes import shown
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class ChangeMigLayout(Remediation):
    """Cut the GPUs of a drained node into MIG instances, which share neither memory nor SMs."""

    card: ClassVar[str] = "R15"
    answers: ClassVar[tuple[FailureMode, ...]] = (f.NOISY_NEIGHBOUR,)
    order: ClassVar[int] = 50

    profile: str = "all-balanced"
    """Layout by its name in the MIG manager's default configuration."""
    whole: str = "all-disabled"
    """Name of the layout without MIG."""
    minutes: int = 15
    """How long the MIG manager may take, a restart of the operands included; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the node is known; drained or not decides whether it may be done."""
        node = _fleet.node_of(incident, scene)
        if not node:
            return None
        known = _fleet.register(scene)
        there = known.by_node.get(node, [])
        gpus = [gpu for gpu in known.gpus.values() if gpu.node == node]
        cut = any(share.mig for gpu in gpus for share in gpu.shares)
        label = f"kubectl label {_shell.named('node', node)} --overwrite "
        command = label + _shell.word(f"nvidia.com/mig.config={self.profile}")
        before = "the layout that nvidia-smi -L shows now" if cut else self.whole
        return _fleet.action(
            incident,
            self.card,
            f"Cut the GPUs of {node} into MIG instances",
            Autonomy.TWO_PEOPLE,
            precondition=f"the node is drained ({len(there)} replicas are still on it); its "
            f"{len(gpus)} GPUs can MIG, and each model fits into one instance of {self.profile}",
            met=False if there else None,
            command=command,
            dry_run=shown(command),
            verify=f"within {self.minutes} min: kubectl get {_shell.named('node', node)} "
            "--output=jsonpath={.metadata.labels.nvidia\\.com/mig\\.config\\.state} is success",
            undo=f"{label}{_shell.word(f'nvidia.com/mig.config={self.whole}')} ({before})",
            risk=f"Every GPU pod of the node; {len(gpus)} GPUs are away meanwhile, and pods that "
            "ask for a whole GPU no longer fit there.",
            call=_calls.label_node(node, "nvidia.com/mig.config", self.profile),
        )
