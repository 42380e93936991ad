"""R19: let another pool or model answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from remediations import _fleet, _gateway, _shell
from remediations._kubernetes import NO_DRY_RUN
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import GATEWAY_ERROR_RATE, WAITING

IN_QUEUE = Watch(WAITING, 900.0, 60.0)


@dataclass(frozen=True, slots=True)
class FailOver(Remediation):
    """Name a fallback for the model's route; the best one is another pool of the same model."""

    card: ClassVar[str] = "R19"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.PROVIDER_ERRORS,
        f.MASS_NODE_LOSS,
        f.CAPACITY_SHORTAGE,
        f.GPU_THROTTLING,
        f.ERROR_BURST,
        f.GARBAGE_OUTPUT,
        f.ROUTER_DOWN,
        f.ENGINE_DEAD,
    )
    order: ClassVar[int] = 50
    order_for: ClassVar[Mapping[FailureMode, int]] = {f.PROVIDER_ERRORS: 10, f.MASS_NODE_LOSS: 10}

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the model is known."""
        name = incident.model or incident.pool
        if not name or not scene.now:
            return None
        other = self._other(incident, scene)
        about = _shell.clean(name)
        if other:
            route = other[0].pool.rpartition("/")[2]
            able, waiting = _fleet.working(other), _fleet.newest(scene, IN_QUEUE, "replica")
            queued = sum(waiting.get(one.entity.id, 0.0) for one in other)
            idle = sum(one.state is ReplicaState.IDLE for one in able)
            seen = (
                f"{other[0].pool} serves the same model: {len(able)} of {len(other)} replicas "
                f"work, {idle} are idle, {queued:.0f} requests wait there; the gateway knows it "
                f"as {route}"
            )
            command = _gateway.post(
                "/fallback",
                {"model": about, "fallback_models": [_shell.clean(route)],
                 "fallback_type": "general"},
            )  # fmt: skip
            undo = f'curl -fsS -X DELETE "$LITELLM_URL/fallback/{_path(name)}" {_gateway.AUTH}'
            dry_run = f"{_gateway.NO_DRY_RUN_OF_ROUTES}: " + _gateway.get(
                f"/fallback/{_path(name)}"
            )
        else:
            seen = "no other pool of this model is seen; quality, price and data location of the "
            seen += "other model are accepted"
            command = f"By hand: name a fallback for {_shell.word(name)} in the gateway (LiteLLM: "
            command += "POST /fallback with model and fallback_models), or shift route weights."
            undo, dry_run = "Take the fallback out again.", NO_DRY_RUN
        return _fleet.action(
            incident,
            self.card,
            f"Fail {name} over",
            Autonomy.APPROVAL,
            precondition=seen,
            met=bool(_fleet.working(other)) if other else None,
            command=command,
            dry_run=dry_run,
            verify=until(
                GATEWAY_ERROR_RATE, "model", name, "falls; dollars a call are watched", 10
            ),
            undo=undo,
            risk="Calls that fail here are made there as well: its queue grows, and another model "
            "or provider costs and answers otherwise.",
        )

    def _other(self, incident: Incident, scene: Scene) -> list[Replica]:
        """The pool of the same model that has most replicas at work; empty when there is none."""
        pools: dict[str, list[Replica]] = {}
        for one in _fleet.register(scene).by_model.get(incident.model, []):
            if incident.model and incident.pool and one.pool not in {incident.pool, ""}:
                pools.setdefault(one.pool, []).append(one)
        by_size = sorted(pools.items(), key=lambda item: (-len(_fleet.working(item[1])), item[0]))
        return by_size[0][1] if by_size else []


def _path(name: str) -> str:
    """*name* as one part of a URL inside double quotes of a shell."""
    return quote(_shell.clean(name), safe="")
