"""R13: what the owner of the hardware wants to see."""

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
class HardwareTicket(Remediation):
    """Collect the driver's report and the serial number, and open a ticket with the provider."""

    card: ClassVar[str] = "R13"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.STRAGGLER_GPU,
        f.GPU_LOST,
        f.GPU_MEMORY_FAULT,
        f.GPU_LINK_FAULT,
        f.GPU_DRIVER_HANG,
        f.GPU_XID,
        f.GPU_RECOVERY_NEEDED,
        f.GPU_THROTTLING,
        f.SLOW_INTERCONNECT,
    )
    order: ClassVar[int] = 60

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When a GPU is named; read-only."""
        gpu = next((one for one in incident.entities if one.kind is EntityKind.GPU), None)
        if gpu is None:
            return None
        node = _fleet.node_of(incident, scene) or "its node"
        report = _shell.word(f"{incident.id}.log.gz")
        return _fleet.action(
            incident,
            self.card,
            f"Open a hardware ticket for {gpu.label}",
            Autonomy.ONE_CLICK,
            precondition=f"you have a shell on {node}",
            met=None,
            command=f"nvidia-smi --query --id={_shell.word(gpu.id)} && "
            f"sudo nvidia-bug-report.sh --output-file {report}",
            dry_run="It reads only.",
            verify="the ticket's number is in this incident's notes",
            undo="Close the ticket.",
            risk="None; the report takes a minute and reads the driver's logs.",
        )
