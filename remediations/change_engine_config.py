"""R17: fewer sequences at once for an engine that throws its own work out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from remediations import _fleet, _shell
from remediations._kubernetes import shown, workload
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import PREEMPTION_RATE, RUNNING

BATCH = Watch(RUNNING, 3600.0, 30.0)


@dataclass(frozen=True, slots=True)
class ChangeEngineConfig(Remediation):
    """Lower vLLM's `--max-num-seqs` below the batch at which the cache ran over."""

    card: ClassVar[str] = "R17"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.KV_EXHAUSTION,
        f.CUDA_OOM,
    )
    order: ClassVar[int] = 50
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.CUDA_OOM: 20,
    }

    share: float = 0.75
    """Of the largest batch seen in the last hour; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """For vLLM in a cluster, when the batch is known."""
        replica = _fleet.hit(incident, scene)
        known = workload(replica) if replica is not None else None
        if replica is None or known is None or replica.engine != "vllm":
            return None
        row = scene.frame(BATCH).row(replica=replica.entity.id)
        if row is None or not np.isfinite(row).any():
            return None
        largest = float(np.nanmax(row))
        limit = max(1, int(largest * self.share))
        where = f"{known.deployment_word} {known.in_namespace}"
        command = f"kubectl patch {where} --type=json --patch={_patch(limit)}"
        return _fleet.action(
            incident,
            self.card,
            f"Limit {replica.pool} to {limit} sequences a batch",
            Autonomy.APPROVAL,
            precondition=f"the batch reached {largest:.0f}; the engine is the first container "
            "and takes its flags from args; tried on one pod first",
            met=None,
            command=command,
            dry_run=shown(command),
            verify=until(PREEMPTION_RATE, "pool", replica.pool, "== 0 once it is rolled out", 30),
            undo=f"kubectl rollout undo {where}",
            risk="Every replica of the pool restarts, one after the other; queues grow where the "
            "batch was not too large.",
        )


def _patch(limit: int) -> str:
    """VLLM takes the last of two equal flags, so one is added and none looked for."""
    path = "/spec/template/spec/containers/0/args/-"
    text = f'[{{"op":"add","path":"{path}","value":"--max-num-seqs={limit}"}}]'
    return _shell.word(text)
