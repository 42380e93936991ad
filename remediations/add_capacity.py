"""R04: one more replica."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet
from remediations._kubernetes import workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import WAITING


@dataclass(frozen=True, slots=True)
class AddCapacity(Remediation):
    """Ask for one replica more than there is."""

    card: ClassVar[str] = "R04"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.CAPACITY_SHORTAGE,
        f.KV_EXHAUSTION,
        f.LATENCY_BURN,
        f.ENGINE_DEAD,
        f.GPU_LOST,
        f.GPU_THROTTLING,
        f.SLOW_COLD_START,
        f.AUTOSCALER_STUCK,
        f.POD_PENDING,
        f.MASS_NODE_LOSS,
        f.PROBE_KILL,
        f.ZOMBIE_REQUESTS,
    )
    order: ClassVar[int] = 40
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.CAPACITY_SHORTAGE: 20,
        f.SLOW_COLD_START: 10,
        f.POD_PENDING: 10,
        f.AUTOSCALER_STUCK: 20,
    }

    step: int = 1
    """Replicas to add; more at once hides what the first one did."""
    falls_to: float = 0.8
    """Share of the queue that may be left for it to have helped; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the pool is run by a cluster."""
        pool = _fleet.pool_of(incident, scene)
        known = workload(pool[0]) if pool else None
        if known is None:
            return None
        needed = max(1, len(pool[0].gpus))
        free, size = _fleet.free_gpus(scene), len(pool)
        where = f"{known.deployment_word} {known.in_namespace}"
        command = f"kubectl scale {where} --current-replicas={size} --replicas={size + self.step}"
        return _fleet.action(
            incident,
            self.card,
            f"Add a replica to {pool[0].pool}",
            Autonomy.ONE_CLICK,
            precondition=f"{free} free GPUs are seen and {needed} are needed; no autoscaler owns "
            "the replicas (else raise its minimum): kubectl get hpa,scaledobject "
            f"{known.in_namespace}",
            # Nodes may be provisioned on demand: too few seen is not a no.
            met=None if free < needed * self.step else True,
            command=command,
            dry_run=f"{command} --dry-run=server",
            verify=until(WAITING, "pool", pool[0].pool, "falls once the new replica is ready", 16),
            undo=f"kubectl scale {where} --replicas={size}",
            risk="Costs its GPUs by the hour; helps no sooner than it has started.",
            call=_calls.scale(known, size, size + self.step),
            check=watched(WAITING, "pool", pool[0].pool, Goal.FALLS, 16, self.falls_to),
        )
