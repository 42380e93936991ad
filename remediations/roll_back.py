"""R03: roll back the change that came just before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet
from remediations._kubernetes import NO_DRY_RUN, shown, workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident, NearbyChange
from vocabulary.scene import Scene
from vocabulary.signals import ITL_MEAN


@dataclass(frozen=True, slots=True)
class RollBack(Remediation):
    """Undo a rollout or configuration change that lies close before the onset."""

    card: ClassVar[str] = "R03"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.THROUGHPUT_REGRESSION,
        f.ENGINE_STALLED,
        f.ENGINE_DEAD,
        f.ERROR_BURST,
        f.LATENCY_BURN,
        f.KV_EXHAUSTION,
        f.METRIC_RENAMED,
        f.PREFIX_CACHE_COLLAPSE,
        f.GARBAGE_OUTPUT,
        f.RUNAWAY_OUTPUT,
        f.CONTEXT_BLOAT,
        f.PROMPT_CACHE_MISS,
        f.DEAR_MODEL_MIX,
        f.HOST_MEMORY_LEAK,
        f.SPECULATION_DECAY,
        f.CUDA_OOM,
        f.LOAD_SKEW,
        f.SHRUNK_KV_CACHE,
        f.GRAMMAR_STALL,
    )
    order: ClassVar[int] = 15
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.ENGINE_DEAD: 8,
        f.PREFIX_CACHE_COLLAPSE: 10,
        f.KV_EXHAUSTION: 35,
        f.RUNAWAY_OUTPUT: 30,
        f.CONTEXT_BLOAT: 30,
        f.DEAR_MODEL_MIX: 20,
        f.LOAD_SKEW: 30,
        f.GARBAGE_OUTPUT: 30,
        f.HOST_MEMORY_LEAK: 30,
        f.CUDA_OOM: 30,
        f.SHRUNK_KV_CACHE: 40,
    }

    max_age_hours: float = 24.0
    """An older change is no longer rolled back without thinking: too much has been built on it."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """Only when a change of the pool is suspected at all."""
        change = _fleet.blamed_change(incident, frozenset({"rollout", "config", "model"}))
        pool = _fleet.pool_of(incident, scene)
        replica = _fleet.hit(incident, scene) or (pool[0] if pool else None)
        if change is None or replica is None:
            return None
        age_hours = (scene.now - change.at) / 3600.0
        known = workload(replica)
        if known is None:
            command = f"By hand: start the former version of {replica.pool or replica.model} again."
            dry_run, undo = NO_DRY_RUN, "Start the new version again."
        else:
            where = f"{known.deployment_word} {known.in_namespace}"
            command = undo = f"kubectl rollout undo {where}"
            dry_run = f"kubectl rollout history {where} && {shown(command)}"
        return _fleet.action(
            incident,
            self.card,
            f"Roll back {replica.pool or replica.model}: {change.what}",
            Autonomy.APPROVAL,
            precondition=_precondition(change, age_hours),
            # Whether a former revision is kept, and GitOps paused, only the cluster can tell.
            met=None if age_hours <= self.max_age_hours else False,
            command=command,
            dry_run=dry_run,
            verify=_verify(replica),
            undo=undo,
            risk="The whole pool, one replica after the other; a surge needs a spare GPU, and the "
            "former version may carry a worse fault.",
            call=None if known is None else _calls.undo_rollout(known),
            check=watched(ITL_MEAN, "pool", replica.pool, Goal.AS_BEFORE, 15, 0.10),
        )


def _precondition(change: NearbyChange, age_hours: float) -> str:
    side = "before" if change.offset_seconds <= 0 else "after"
    return (
        f"the {change.kind} was {abs(change.offset_seconds) / 60.0:.0f} min {side} the onset, "
        f"{age_hours:.1f} h ago; a former revision is kept and GitOps paused"
    )


def _verify(replica: Replica) -> str:
    return until(ITL_MEAN, "pool", replica.pool, "back within 10 % of before, at equal load", 15)
