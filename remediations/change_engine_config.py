"""R17: start the engines of a pool with other settings, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from remediations import _calls, _fleet, _shell
from remediations._kubernetes import shown, workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Check, Goal
from vocabulary.contracts import Remediation
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import FIRST_TOKENS_LATE, ITL_MEAN, PREEMPTION_RATE, RUNNING, TARGET_UP

BATCH = Watch(RUNNING, 3600.0, 30.0)
_POD = "/spec/template/spec"
_ENGINE = f"{_POD}/containers/0"
_FALLS_TO = 0.8
"""Share of what it was that may be left for a setting to have helped; our judgement."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """What to set, why, and how to see that it helped."""

    title: str
    """What is done to the pool, without its name."""
    because: str
    patch: tuple[Mapping[str, Any], ...]
    """JSON patch of the Deployment."""
    verify: str
    check: Check


@dataclass(frozen=True, slots=True)
class ChangeEngineConfig(Remediation):
    """The one setting that eases each trouble, as a patch of the pool's Deployment.

    vLLM takes the last of two equal flags, so one is added and none looked for.
    """

    card: ClassVar[str] = "R17"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.KV_EXHAUSTION,
        f.CUDA_OOM,
        f.SHRUNK_KV_CACHE,
        f.FRONT_END_BOUND,
        f.PREFILL_INTERFERENCE,
        f.LORA_THRASH,
        f.STREAMS_CUT,
        f.PROBE_KILL,
        f.SPECULATION_DECAY,
    )
    order: ClassVar[int] = 50
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.CUDA_OOM: 20,
        f.SHRUNK_KV_CACHE: 45,
        f.FRONT_END_BOUND: 10,
        f.PREFILL_INTERFERENCE: 10,
        f.STREAMS_CUT: 20,
        f.PROBE_KILL: 10,
        f.SPECULATION_DECAY: 17,
    }

    share: float = 0.75
    """Of the largest batch seen in the last hour; our judgement."""
    api_servers: int = 4
    """Front-end processes; one core of Python does not feed a large batch. Our judgement."""
    prefill_tokens: int = 2048
    """Tokens of a step, which long prompts fill; vLLM's own advice for short gaps between tokens
    is below its default of 8192."""
    adapters: int = 8
    """LoRA adapters in one batch; more take memory from the KV cache. Our judgement."""
    grace_seconds: int = 600
    """How long a pod may finish its streams; longer than the longest answer. Our judgement."""
    probe_seconds: int = 15
    """Deadline of a liveness probe; a batch of long prompts keeps an engine from answering."""
    probe_failures: int = 10
    """Probes that may fail in a row; fifteen seconds ten times is what llm-d came to."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """For vLLM in a cluster, when it is known what to set."""
        replica = _fleet.hit(incident, scene) or next(iter(_fleet.pool_of(incident, scene)), None)
        known = workload(replica) if replica is not None else None
        if replica is None or known is None or replica.engine != "vllm":
            return None
        setting = self._setting(incident, replica, scene)
        if setting is None:
            return None
        where = f"{known.deployment_word} {known.in_namespace}"
        patch = _shell.body(setting.patch)
        command = f"kubectl patch {where} --type=json --patch={patch}"
        size = len(_fleet.register(scene).by_pool.get(replica.pool, []))
        return _fleet.action(
            incident,
            self.card,
            f"{setting.title} {replica.pool}",
            Autonomy.APPROVAL,
            precondition=f"{setting.because}; the engine is the first container and takes its "
            "flags from args; tried on one pod first",
            met=None,
            command=command,
            dry_run=shown(command),
            verify=setting.verify,
            undo=f"kubectl rollout undo {where}",
            risk=f"All {size} replicas of the pool restart, one after the other, and their prefix "
            "caches are lost; what was set too low makes queues.",
            call=_calls.patch_deployment(known, setting.patch),
            check=setting.check,
        )

    def _setting(self, incident: Incident, replica: Replica, scene: Scene) -> _Setting | None:
        plans: Mapping[FailureMode, Callable[[Replica], _Setting]] = {
            f.FRONT_END_BOUND: self._front_end,
            f.PREFILL_INTERFERENCE: self._chunks,
            f.LORA_THRASH: self._adapters,
            f.STREAMS_CUT: self._grace,
            f.PROBE_KILL: self._probe,
            f.SPECULATION_DECAY: self._no_drafts,
        }
        plan = plans.get(incident.failure_mode)
        return plan(replica) if plan is not None else self._batch(replica, scene)

    def _batch(self, replica: Replica, scene: Scene) -> _Setting | None:
        """A batch below the one at which the cache or the memory ran over, when that is known."""
        row = scene.frame(BATCH).row(replica=replica.entity.id)
        if row is None or not np.isfinite(row).any():
            return None
        largest = float(np.nanmax(row))
        limit = max(1, int(largest * self.share))
        return _Setting(
            f"Limit the batch to {limit} sequences in",
            f"the batch reached {largest:.0f}",
            _flag(f"--max-num-seqs={limit}"),
            until(PREEMPTION_RATE, "pool", replica.pool, "== 0 once it is rolled out", 30),
            watched(PREEMPTION_RATE, "pool", replica.pool, Goal.AT_MOST, 30),
        )

    def _front_end(self, replica: Replica) -> _Setting:
        return _Setting(
            f"Run {self.api_servers} front ends in each pod of",
            f"the pod has {self.api_servers} CPU cores to spare; no GPU is short",
            _flag(f"--api-server-count={self.api_servers}"),
            until(FIRST_TOKENS_LATE, "pool", replica.pool, "falls once it is rolled out", 30),
            watched(FIRST_TOKENS_LATE, "pool", replica.pool, Goal.FALLS, 30, _FALLS_TO),
        )

    def _chunks(self, replica: Replica) -> _Setting:
        return _Setting(
            f"Take at most {self.prefill_tokens} tokens a step in",
            "gaps between tokens matter more here than the first token of long prompts",
            _flag(f"--max-num-batched-tokens={self.prefill_tokens}"),
            until(ITL_MEAN, "pool", replica.pool, "falls once it is rolled out", 30),
            watched(ITL_MEAN, "pool", replica.pool, Goal.FALLS, 30, _FALLS_TO),
        )

    def _adapters(self, replica: Replica) -> _Setting:
        return _Setting(
            f"Hold {self.adapters} LoRA adapters in",
            "the KV cache has room for them",
            _flag(f"--max-loras={self.adapters}"),
            until(FIRST_TOKENS_LATE, "pool", replica.pool, "falls once it is rolled out", 30),
            watched(FIRST_TOKENS_LATE, "pool", replica.pool, Goal.FALLS, 30, _FALLS_TO),
        )

    def _no_drafts(self, replica: Replica) -> _Setting:
        return _Setting(
            "Decode without drafts in",
            "drafts are set by --speculative-config, and what is refused costs more than they give",
            _flag("--speculative-config=None"),  # vLLM reads this word as no configuration
            until(ITL_MEAN, "pool", replica.pool, "is no higher once it is rolled out", 30),
            watched(ITL_MEAN, "pool", replica.pool, Goal.FALLS, 30, 1.0),
        )

    def _grace(self, replica: Replica) -> _Setting:
        path = f"{_POD}/terminationGracePeriodSeconds"
        return _Setting(
            f"Let pods finish for {self.grace_seconds} s in",
            "no answer takes longer than that; it must exceed preStop and drain together",
            ({"op": "add", "path": path, "value": self.grace_seconds},),
            until(TARGET_UP, "pool", replica.pool, "== 1, and no stream is cut again", 30),
            watched(TARGET_UP, "pool", replica.pool, Goal.ABOVE, 30, 0.99),
        )

    def _probe(self, replica: Replica) -> _Setting:
        probe = f"{_ENGINE}/livenessProbe"
        return _Setting(
            "Give the liveness probe more time in",
            "the pod has a liveness probe, which stays",
            (
                {"op": "add", "path": f"{probe}/timeoutSeconds", "value": self.probe_seconds},
                {"op": "add", "path": f"{probe}/failureThreshold", "value": self.probe_failures},
            ),
            until(TARGET_UP, "pool", replica.pool, "== 1 under load, without a restart", 30),
            watched(TARGET_UP, "pool", replica.pool, Goal.ABOVE, 30, 0.99),
        )


def _flag(text: str) -> tuple[Mapping[str, Any], ...]:
    return ({"op": "add", "path": f"{_ENGINE}/args/-", "value": text},)
