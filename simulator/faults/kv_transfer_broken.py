"""F13: KV cache on its way from prefill to decode comes late, not at all, or without thanks."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.engine_roles import Decoding, Prefilling
from simulator.fault import Fault, chosen, log_sampled, sampled
from simulator.pods import Pod
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import KV_TRANSFER_BROKEN, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class KvTransferBroken(Fault):
    """One replica's link to those that compute its prompts, or they, fail it."""

    failure_mode: ClassVar[FailureMode] = KV_TRANSFER_BROKEN
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R18")
    only_on: ClassVar[str] = "apart"
    needs: ClassVar[str] = "prefill"
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    how: str = chosen("slow", "failing", "unheard", "leaked", default="slow")
    """`slow`: the link falls back to TCP; `failing`: transfers do not come, and prompts are
    computed anew where they are decoded; `unheard`: the replica that computed a prompt never hears
    that it was fetched; `leaked`: blocks of transfers that ended stay held where they came to."""
    bandwidth_left: float = log_sampled(0.007, 0.02, 0.0125)
    """Share of the link's bandwidth that a slow one has: vllm#52607 measures 0.5 GB/s in place of
    49, and dynamo#1314 0.36 GB/s until RDMA was set up."""
    failing: float = sampled(0.6, 1.0, 0.9)
    """Share of transfers that fail. Our judgement."""
    unheard: float = sampled(0.1, 0.6, 0.3)
    """Share of words that are lost. Our judgement."""
    lost_per_minute: float = sampled(0.02, 0.06, 0.03)
    """Share of the cache that leaks in a minute. Reports of vLLM's connectors span hours; this
    is the fast end, so that a drill need not last a day."""
    duration: float = sampled(2400.0, 4800.0, 3600.0)
    """Seconds until the process is restarted. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        pool = f"{self.pool}-prefill" if self.how == "unheard" else self.pool
        return replace(self, victim=self.victim or chosen_pod(world, pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is not None and self.how == "leaked":
            share = self.lost_per_minute * elapsed / 60.0
            due = int(pod.engine.kv_capacity * min(0.98, share)) - pod.engine.kv_lost
            pod.engine.lose_kv(max(0, due))
        elif pod is not None:
            self._set(pod, broken=True)

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.lose_kv(-pod.engine.kv_lost)
            self._set(pod, broken=False)

    def _set(self, pod: Pod, *, broken: bool) -> None:
        engine = pod.engine
        if isinstance(engine, Prefilling):
            engine.unheard = self.unheard if broken else 0.0
        elif isinstance(engine, Decoding):
            engine.inbound.share = self.bandwidth_left if broken and self.how == "slow" else 1.0
            engine.inbound.failing = self.failing if broken and self.how == "failing" else 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
