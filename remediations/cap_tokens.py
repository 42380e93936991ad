"""R06: cap prompt or answer length where they have grown out of hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from remediations._kubernetes import NO_DRY_RUN
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import KV_USAGE, TENANT_ANSWER_LENGTH, TENANT_INPUT_RATE


@dataclass(frozen=True, slots=True)
class CapTokens(Remediation):
    """Set `max_tokens` and `max_input_tokens` of the model's route in the gateway."""

    card: ClassVar[str] = "R06"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.KV_EXHAUSTION,
        f.CONTEXT_BLOAT,
        f.COST_SPIKE,
        f.RUNAWAY_OUTPUT,
        f.CUDA_OOM,
        f.ZOMBIE_REQUESTS,
    )
    order: ClassVar[int] = 60
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.RUNAWAY_OUTPUT: 10,
        f.CUDA_OOM: 10,
        f.CONTEXT_BLOAT: 10,
    }

    max_tokens: int = 2048
    """Longest answer; enough for chat, too short for some code. Ask the route's owner."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When it is known which model; the gateway's file is changed by hand."""
        model = incident.model or incident.pool
        if not model or not scene.now:
            return None
        tenant = incident.tenants[0] if len(incident.tenants) == 1 else ""
        if incident.failure_mode is f.RUNAWAY_OUTPUT and tenant:
            capped = f"is at most {self.max_tokens}"
            verify = until(TENANT_ANSWER_LENGTH, "tenant", tenant, capped, 15)
        elif tenant:
            verify = until(TENANT_INPUT_RATE, "tenant", tenant, "falls", 15)
        else:
            verify = until(KV_USAGE, "model", model, "< 0.95", 15)
        return _fleet.action(
            incident,
            self.card,
            f"Cap answers of {model} at {self.max_tokens} tokens",
            Autonomy.APPROVAL,
            precondition="the owner of the route agrees: answers will be cut",
            met=None,
            command=f"By hand: in the gateway's route for {_shell.word(model)} set max_tokens: "
            f"{self.max_tokens} (LiteLLM: litellm_params.max_tokens), and reload it.",
            dry_run=NO_DRY_RUN,
            verify=verify,
            undo="Take the line out again.",
            risk="Answers are cut off for every caller of the route.",
        )
