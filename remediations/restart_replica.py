"""R02: restart one replica."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet, _shell
from remediations._kubernetes import NO_DRY_RUN, workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import STEP_RATE


@dataclass(frozen=True, slots=True)
class RestartReplica(Remediation):
    """Delete the pod and let its controller start another, after the logs are saved."""

    card: ClassVar[str] = "R02"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.ENGINE_STALLED,
        f.ENGINE_DEAD,
        f.TARGET_HUNG,
        f.COLLECTIVE_HANG,
        f.STRAGGLER_GPU,
        f.GARBAGE_OUTPUT,
        f.HOST_MEMORY_LEAK,
        f.ZOMBIE_REQUESTS,
        f.KV_TRANSFER_BROKEN,
        f.SPECULATION_DECAY,
        f.CONTAINER_LOST_GPU,
        f.ROUTER_DOWN,
        f.SHRUNK_KV_CACHE,
    )
    order: ClassVar[int] = 20
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.ENGINE_DEAD: 10,
        f.STRAGGLER_GPU: 15,
        f.HOST_MEMORY_LEAK: 10,
        f.ROUTER_DOWN: 10,
        f.SHRUNK_KV_CACHE: 35,
    }

    ready_minutes: float = 16.0
    """How long a start may take: 1.5 to 16 minutes were measured for image, weights and graphs."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """Restart the replica, never the whole pool at once."""
        replica = _fleet.hit(incident, scene)
        if replica is None:
            return None
        left, name = _fleet.left_without(replica, incident, scene), replica.entity.label
        known = workload(replica)
        if known is None:
            where = _shell.clean(replica.target or name)
            command = f"By hand: save the log of the server behind {where}, then restart it."
            dry_run, label, subject = NO_DRY_RUN, "replica", replica.entity.id
        else:
            log = _shell.word((known.pod or known.uid).replace("/", "_") + ".log")
            saved = f"kubectl logs {known.pod_word} {known.in_namespace} --all-containers > {log}"
            delete = f"kubectl delete {known.pod_word} {known.in_namespace}"
            command = f"{saved} && {delete}"
            dry_run = f"{delete} --dry-run=server"
            label, subject = "pool", replica.pool
        return _fleet.action(
            incident,
            self.card,
            f"Restart {name}",
            Autonomy.APPROVAL,
            precondition=f"{left.text}; its disruption budget allows it",
            met=_met(replica, left),
            command=command,
            dry_run=dry_run,
            verify=until(STEP_RATE, label, subject, "> 0 on what replaced it", self.ready_minutes),
            undo="None: its prefix cache and the requests it held are lost.",
            risk=f"One replica is away for up to {self.ready_minutes:g} min; GPU memory may "
            "stay held.",
            call=None if known is None else _calls.evict_pod(known),
            check=watched(STEP_RATE, label, subject, Goal.REPLACED, self.ready_minutes),
        )


def _met(replica: Replica, left: _fleet.Left) -> bool | None:
    """Whether it may go: something else serves, or it serves nothing itself.

    A stalled engine takes no step, so that a restart of the last one takes nothing from anybody.
    Of one that is not seen nobody knows; a person must say so.
    """
    if left.met is not False:
        return left.met
    return {ReplicaState.STALLED: True, ReplicaState.BLIND: None}.get(replica.state, False)
