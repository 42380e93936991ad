"""R16: let the autoscaler take nothing away while it cannot see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from remediations import _calls, _fleet, _shell
from remediations._kubernetes import shown, workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import POOL_DESIRED

DESIRED = Watch(POOL_DESIRED, 900.0, 60.0)


@dataclass(frozen=True, slots=True)
class FreezeAutoscaler(Remediation):
    """Forbid scaling down: when metrics come back, an autoscaler often scales in at once."""

    card: ClassVar[str] = "R16"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.AUTOSCALER_STUCK,
        f.PULL_FAILURE,
        f.MASS_NODE_LOSS,
        f.PIPELINE_DROPS,
    )
    order: ClassVar[int] = 10
    order_for: ClassVar[Mapping[FailureMode, int]] = {f.MASS_NODE_LOSS: 50, f.PIPELINE_DROPS: 50}

    minutes: int = 120
    """After how long it is to be taken back; long enough to mend the metrics. Our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the pool is run by a cluster."""
        pool = _fleet.pool_of(incident, scene)
        known = workload(pool[0]) if pool else None
        if known is None:
            return None
        wanted = _fleet.newest(scene, DESIRED, "pool").get(pool[0].pool)
        told = "not known how many are wanted" if wanted is None else f"{wanted:.0f} wanted"
        where = f"{_shell.named('hpa', known.deployment)} {known.in_namespace}"
        command = f"kubectl patch {where} --type=merge --patch={_shell.body(_policy('Disabled'))}"
        return _fleet.action(
            incident,
            self.card,
            f"Freeze scale-in of {pool[0].pool} for {self.minutes} min",
            Autonomy.ONE_CLICK,
            precondition=f"{len(pool)} replicas are seen, {len(_fleet.working(pool))} of them "
            f"work, {told}; the autoscaler bears the Deployment's name (KEDA: annotate the "
            "ScaledObject with autoscaling.keda.sh/paused=true instead); its owner is told",
            met=None,
            command=command,
            dry_run=shown(command),
            verify=until(POOL_DESIRED, "pool", pool[0].pool, "does not fall", 15),
            undo=f"kubectl patch {where} --type=merge --patch={_shell.body(_policy('Max'))}",
            risk=f"{len(pool)} replicas are paid for whatever the traffic; growing is still "
            "possible.",
            call=_calls.patch_autoscaler(known, _policy("Disabled")),
            check=watched(POOL_DESIRED, "pool", pool[0].pool, Goal.NOT_LOWER, 15, lasting=True),
        )


def _policy(name: str) -> Mapping[str, Any]:
    """`Disabled` takes nothing away; `Max` is what Kubernetes does when nothing is said."""
    return {"spec": {"behavior": {"scaleDown": {"selectPolicy": name}}}}
