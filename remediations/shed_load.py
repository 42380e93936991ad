"""R05: limit the busiest caller of a model that drowns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from remediations import _fleet, _gateway
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import TENANT_OPERATION_RATE, TTFT_P95

CALLS = Watch(TENANT_OPERATION_RATE, 900.0, 60.0)


@dataclass(frozen=True, slots=True)
class ShedLoad(Remediation):
    """Halve what the busiest tenant may call this model, so that the others get through."""

    card: ClassVar[str] = "R05"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.RETRY_STORM,
        f.CAPACITY_SHORTAGE,
        f.KV_EXHAUSTION,
        f.TENANT_HOG,
        f.LATENCY_BURN,
        f.GPU_THROTTLING,
        f.PROVIDER_ERRORS,
        f.PROBE_KILL,
        f.GRAMMAR_STALL,
        f.PREFILL_INTERFERENCE,
    )
    order: ClassVar[int] = 30
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.RETRY_STORM: 10,
        f.KV_EXHAUSTION: 10,
        f.TENANT_HOG: 5,
        f.GPU_THROTTLING: 10,
        f.GRAMMAR_STALL: 10,
        f.PROBE_KILL: 20,
        f.PREFILL_INTERFERENCE: 40,
    }

    share: float = 0.5
    """What is left of the tenant's present calls; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When it is known who calls."""
        names = [name for name in (incident.model, incident.pool) if name]
        callers = sorted(_callers(scene, names), reverse=True)
        if not callers:
            return None
        rate, tenant, model = callers[0]
        total = sum(one for one, _, _ in callers)
        limit = max(1, round(rate * 60.0 * self.share))
        return _fleet.action(
            incident,
            self.card,
            f"Limit {tenant} to {limit} calls a minute of {model}",
            Autonomy.APPROVAL,
            precondition=f"{tenant} makes {rate / total:.0%} of the calls; its clients honour 429 "
            "with Retry-After, and retries stay on at one hop at most",
            met=None,
            command=_gateway.update_key(tenant, model_rpm_limit={model: limit}),
            dry_run=f"{_gateway.NO_DRY_RUN}: {_gateway.key_info(tenant)}",
            verify=until(TTFT_P95, "model", incident.model or model, "falls for the others", 5),
            undo=_gateway.update_key(tenant, model_rpm_limit={}),
            risk="This tenant's users see errors 429; limits it had on other models must be named "
            "again.",
        )


def _callers(scene: Scene, names: list[str]) -> Iterable[tuple[float, str, str]]:
    """Calls a second, tenant and model, as the gateway names it."""
    for labels, row in scene.frame(CALLS).rows():
        known = row[~np.isnan(row)]
        if labels.get("model") in names and labels.get("tenant") and known.size and known[-1] > 0:
            yield float(known[-1]), labels["tenant"], labels["model"]
