"""F29: after a start one replica finds less memory free, and its cache is smaller."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Change, Entity
from vocabulary.failure_modes import SHRUNK_KV_CACHE, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ShrunkKvCache(Fault):
    """What a process that died left on the GPU is missing from the KV cache of the next."""

    failure_mode: ClassVar[FailureMode] = SHRUNK_KV_CACHE
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R09", "R11", "R17")
    pool: str = "code-8b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    left: float = sampled(0.5, 0.85, 0.7)
    """Share of the cache that the new process gets. Our judgement."""
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds until the rest is freed and it is started again. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is None or elapsed > 0.0:
            return
        pod.begin_counting(world.now)
        pod.engine.kv_share = self.left
        what = "process replaced, its requests handed over"
        world.note(Change(world.now, "restart", replica(self.victim), what, pod.pool.id))

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.kv_share = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
