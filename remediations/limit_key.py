"""R07: limit the key whose spend runs away."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _gateway
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import TENANT_CALL_RATE, TENANT_INPUT_RATE, TENANT_OUTPUT_RATE, TENANT_SPEND


@dataclass(frozen=True, slots=True)
class LimitKey(Remediation):
    """Bring a tenant's key back to what it usually does; limit, not block."""

    card: ClassVar[str] = "R07"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.COST_SPIKE,
        f.RUNAWAY_AGENT,
        f.LEAKED_KEY,
        f.TENANT_HOG,
    )
    order: ClassVar[int] = 10
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.TENANT_HOG: 20,
        f.RUNAWAY_AGENT: 20,
        f.LEAKED_KEY: 5,
    }

    headroom: float = 1.5
    """Limit over what is usual at this hour, so that honest work goes on; our judgement."""
    unknown_share: float = 0.25
    """Share of the present rate that is left where nothing usual is known; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When one tenant is named and its rates are in the evidence."""
        tenant = _gateway.tenant_of(incident)
        limits = self._limits(incident)
        if not tenant or not limits or not scene.now:
            return None
        told = ", ".join(f"{name} {value}" for name, value in limits.items())
        return _fleet.action(
            incident,
            self.card,
            f"Limit the key of {tenant} ({told})",
            Autonomy.APPROVAL,
            precondition=f"{tenant} is a LiteLLM key or its hash, its owner is told, and the proxy "
            "keeps budgets in a database",
            met=None,
            command=_gateway.update_key(tenant, **limits),
            dry_run=f"{_gateway.NO_DRY_RUN}: {_gateway.key_info(tenant)}",
            verify=until(TENANT_SPEND, "tenant", tenant, "falls to its usual level", 15),
            undo=_gateway.update_key(tenant, **dict.fromkeys(limits)),
            risk="Calls of this tenant over the limit fail with 429. Blocking it outright "
            "(/key/block) is an outage for it and takes two people.",
        )

    def _limits(self, incident: Incident) -> dict[str, int]:
        limits = {}
        calls = self._allowed(incident, TENANT_CALL_RATE.name)
        if calls is not None:
            limits["rpm_limit"] = calls
        parts = [
            self._allowed(incident, signal.name)
            for signal in (TENANT_INPUT_RATE, TENANT_OUTPUT_RATE)
        ]
        if all(part is not None for part in parts):
            limits["tpm_limit"] = sum(part for part in parts if part is not None)
        return limits

    def _allowed(self, incident: Incident, signal: str) -> int | None:
        """What a minute may bring of *signal*, from the usual rate, or a share of the present."""
        observed, expected = _gateway.evidence_of(incident, signal)
        if expected is not None and expected > 0.0:
            return max(1, math.ceil(expected * 60.0 * self.headroom))
        if observed is not None and observed > 0.0:
            return max(1, math.ceil(observed * 60.0 * self.unknown_share))
        return None
