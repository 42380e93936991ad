"""R20: stop the agent that calls itself in circles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _gateway
from remediations._kubernetes import NO_DRY_RUN
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import TENANT_OPERATION_RATE


@dataclass(frozen=True, slots=True)
class StopAgent(Remediation):
    """Ask the owner to end the session; the limit on its key holds until then."""

    card: ClassVar[str] = "R20"
    answers: ClassVar[tuple[FailureMode, ...]] = (f.RUNAWAY_AGENT,)
    order: ClassVar[int] = 20
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.RUNAWAY_AGENT: 10,
    }

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When one tenant is named."""
        tenant = _gateway.tenant_of(incident)
        if not tenant or not scene.now:
            return None
        return _fleet.action(
            incident,
            self.card,
            f"Stop the agent of {tenant}",
            Autonomy.APPROVAL,
            precondition=f"the owner of {tenant} is known, or the rule for nights applies",
            met=None,
            command=f"By hand: have the owner of {tenant} end the session, or suspend the CronJob "
            "or scale the Deployment that runs it to 0; we see its calls, not its process.",
            dry_run=NO_DRY_RUN,
            verify=until(TENANT_OPERATION_RATE, "tenant", tenant, "falls to its usual level", 10),
            undo="Start it again.",
            risk="Whatever the agent was working on stops.",
        )
