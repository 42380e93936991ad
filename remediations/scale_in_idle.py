"""R21: give back GPUs that nobody has used for long."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet
from remediations._kubernetes import workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.entities import ReplicaState
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import WAITING

IN_QUEUE = Watch(WAITING, 3600.0, 60.0)


@dataclass(frozen=True, slots=True)
class ScaleInIdle(Remediation):
    """Take away the replicas that have been idle for long, and never the last one."""

    card: ClassVar[str] = "R21"
    answers: ClassVar[tuple[FailureMode, ...]] = (f.IDLE_GPU, f.OVER_REPLICATION)
    order: ClassVar[int] = 10

    idle_hours: float = 24.0
    """How long a replica must have been idle: a day has every hour of a day. Our judgement."""
    least: int = 1
    """Replicas that stay; a pool at zero answers its next caller after a cold start."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the pool is run by a cluster and something of it is idle."""
        replica = _fleet.hit(incident, scene)
        known = _fleet.register(scene)
        pool = known.by_pool.get(replica.pool, []) if replica else _fleet.pool_of(incident, scene)
        name = workload(pool[0]) if pool else None
        idle = [one for one in pool if one.state is ReplicaState.IDLE]
        if name is None or not idle or len(pool) <= self.least:
            return None
        long = [one for one in idle if scene.now - one.since >= self.idle_hours * 3600.0]
        waiting = _fleet.newest(scene, IN_QUEUE, "replica")
        queued = sum(waiting.get(one.entity.id, 0.0) for one in pool)
        gone = min(len(long) or len(idle), len(pool) - self.least)
        gpus = sum(len(one.gpus) for one in (long or idle)[:gone])
        where = f"{name.deployment_word} {name.in_namespace}"
        size = len(pool)
        command = f"kubectl scale {where} --current-replicas={size} --replicas={size - gone}"
        longest = max(scene.now - one.since for one in idle) / 3600.0
        return _fleet.action(
            incident,
            self.card,
            f"Take {gone} idle replicas of {pool[0].pool} away",
            Autonomy.APPROVAL,
            precondition=f"leaves {size - gone} of {size} replicas; {len(long)} have been idle for "
            f"{self.idle_hours:g} h (the longest for {longest:.0f} h) and {queued:.0f} requests "
            "wait; the owner is asked, and the pool is no warm standby",
            met=None if long and not queued else False,
            command=command,
            dry_run=f"{command} --dry-run=server",
            verify=until(WAITING, "pool", pool[0].pool, f"== 0, and {gpus} GPUs are free", 15),
            undo=f"kubectl scale {where} --replicas={size}",
            risk=f"{size - gone} replicas take what comes; a surprise waits for a cold start of "
            "up to 16 min. An autoscaler may undo it: lower its minimum then.",
            call=_calls.scale(name, size, size - gone),
            check=watched(WAITING, "pool", pool[0].pool, Goal.AT_MOST, 15, lasting=True),
        )
