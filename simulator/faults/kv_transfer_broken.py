"""F13: blocks that a transfer should free stay held, and the cache fills with nobody in it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import KV_TRANSFER_BROKEN, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class KvTransferBroken(Fault):
    """Notices between prefill and decode are lost: finished blocks stay held until a restart."""

    failure_mode: ClassVar[FailureMode] = KV_TRANSFER_BROKEN
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R18")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    lost_per_minute: float = sampled(0.02, 0.06, 0.03)
    """Share of the cache that is lost in a minute. Reports of vLLM's connectors span hours; this
    is the fast end, so that a drill need not last a day."""
    duration: float = sampled(2400.0, 4800.0, 3600.0)
    """Seconds until the process is restarted. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is not None:
            share = self.lost_per_minute * elapsed / 60.0
            due = int(pod.engine.kv_capacity * min(0.98, share)) - pod.engine.kv_lost
            pod.engine.lose_kv(max(0, due))

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.lose_kv(-pod.engine.kv_lost)

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
