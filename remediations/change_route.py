"""R18: send requests by load, or back to where they went before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _gateway, _shell
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import PREFIX_HIT_RATIO, RUNNING, TENANT_SPEND, WAITING

IN_BATCH = Watch(RUNNING, 900.0, 60.0)
IN_QUEUE = Watch(WAITING, 900.0, 60.0)
_MOVED = frozenset({f.DEAR_MODEL_MIX, f.PROMPT_CACHE_MISS})
_COLD = frozenset({f.PREFIX_CACHE_COLLAPSE, f.LORA_THRASH})


@dataclass(frozen=True, slots=True)
class ChangeRoute(Remediation):
    """Change how the gateway chooses; nothing restarts, and it is undone by the same call."""

    card: ClassVar[str] = "R18"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.LOAD_SKEW,
        f.PREFIX_CACHE_COLLAPSE,
        f.DEAR_MODEL_MIX,
        f.PROMPT_CACHE_MISS,
        f.ROUTER_DOWN,
        f.KV_TRANSFER_BROKEN,
        f.LORA_THRASH,
        f.PREFILL_INTERFERENCE,
        f.RUNAWAY_OUTPUT,
    )
    order: ClassVar[int] = 15
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.LOAD_SKEW: 10,
        f.DEAR_MODEL_MIX: 10,
        f.KV_TRANSFER_BROKEN: 30,
        f.RUNAWAY_OUTPUT: 40,
    }

    strategy: str = "least-busy"
    """LiteLLM's routing strategy by load."""
    usual: str = "simple-shuffle"
    """LiteLLM's default strategy, for the undo where none was set."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When something is known of who serves."""
        pool = _fleet.pool_of(incident, scene)
        name = incident.pool or incident.model
        if not name or not scene.now:
            return None
        if incident.failure_mode in _MOVED:
            return self._back(incident, name)
        if incident.failure_mode in _COLD:
            return self._sticky(incident, pool, name)
        return self._by_load(incident, scene, pool, name)

    def _by_load(self, incident: Incident, scene: Scene, pool: list[Replica], name: str) -> Action:
        skew, told = _skew(scene, pool)
        able = _fleet.working(pool)
        return _fleet.action(
            incident,
            self.card,
            f"Route {name} by load",
            Autonomy.APPROVAL,
            precondition=f"{len(able)} of {len(pool)} replicas can take requests; {told}; the "
            "gateway is LiteLLM with its settings in a database, and the policy was tried before",
            met=None if len(able) > 1 else False,
            command=_gateway.post(
                "/config/update", {"router_settings": {"routing_strategy": self.strategy}}
            ),
            dry_run=f"{_gateway.NO_DRY_RUN_OF_ROUTES}: {_gateway.get('/router/settings')}",
            verify=until(RUNNING, "pool", name, "is less than twice its mean on every replica", 10),
            undo=_gateway.post(
                "/config/update", {"router_settings": {"routing_strategy": self.usual}}
            ),
            risk="Every model of this gateway; prompts that were found cached may not be any "
            "more"
            + (f"; about {1.0 - 1.0 / skew:.0%} of the busiest queue moves" if skew else "")
            + ".",
        )

    def _sticky(self, incident: Incident, pool: list[Replica], name: str) -> Action:
        """Same prompts to the same replica: no call of LiteLLM's does that, its router must."""
        return _fleet.action(
            incident,
            self.card,
            f"Send equal prompts of {name} to the same replica",
            Autonomy.APPROVAL,
            precondition=f"{len(_fleet.working(pool))} of {len(pool)} replicas can take requests; "
            "the router knows prefixes, sessions or adapters",
            met=None if len(_fleet.working(pool)) > 1 else False,
            command=f"By hand: in the router before {name} choose by prefix, session or adapter "
            "(llm-d: prefix-cache-scorer; vLLM production stack: routing-logic session; a "
            "Service: sessionAffinity), as it was before the hits fell.",
            dry_run="There is no dry run of this.",
            verify=until(PREFIX_HIT_RATIO, "pool", name, "back to its former level", 15),
            undo="Set the former policy again.",
            risk="Load may skew onto few replicas.",
        )

    def _back(self, incident: Incident, name: str) -> Action:
        tenant = _gateway.tenant_of(incident)
        burning = incident.impact.usd_per_hour
        cost = "" if burning is None else f"; {burning} USD/h more are spent now"
        return _fleet.action(
            incident,
            self.card,
            f"Route {tenant or 'these calls'} back from {name}",
            Autonomy.APPROVAL,
            precondition=f"whoever moved the calls to {name} agrees that it was no intention{cost}",
            met=None,
            command="By hand: in the gateway take back what sends calls to "
            f"{_shell.word(name)}: its fallbacks ({_gateway.get('/router/settings')}), its "
            "model_group_alias, or the model name in the caller's configuration.",
            dry_run=f"{_gateway.NO_DRY_RUN_OF_ROUTES}: {_gateway.get('/router/settings')}",
            verify=until(TENANT_SPEND, "tenant", tenant, "back to its usual level", 30)
            if tenant
            else f"within 30 min: calls to {name} are as many as before",
            undo="Set the former route again.",
            risk="Calls go to a model of other quality, as they did before.",
        )


def _skew(scene: Scene, pool: list[Replica]) -> tuple[float, str]:
    """Busiest replica over the mean of its pool, 0 when unknown, and how that was counted."""
    batch, queue = (_fleet.newest(scene, watch, "replica") for watch in (IN_BATCH, IN_QUEUE))
    names = [one.entity.id for one in pool if one.entity.id in batch]
    held = [batch[name] + queue.get(name, 0.0) for name in names]
    mean = sum(held) / len(held) if held else 0.0
    if mean <= 0.0:
        return 0.0, "not known what each of them holds"
    most = max(held)
    return most / mean, f"the busiest holds {most:.0f} requests and the mean is {mean:.0f}"
