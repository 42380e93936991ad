"""F06: every request leaves some host memory behind, on every replica of a pool."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, log_sampled, sampled
from simulator.pages.vllm import RESIDENT_BYTES
from simulator.steady import demand
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import HOST_MEMORY_LEAK, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class HostMemoryLeak(Fault):
    """A list that is never drained: resident memory grows with requests, until a limit kills."""

    failure_mode: ClassVar[FailureMode] = HOST_MEMORY_LEAK
    detect_within: ClassVar[float] = 7200.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R03")
    pool: str = "chat-70b"
    hours: float = log_sampled(6.0, 16.0, 10.0)
    """Hours after which a limit of twice the fresh process' memory is reached. Hours to weeks are
    reported; this is the fast end, so that a drill need not last for days."""
    duration: float = sampled(7200.0, 14400.0, 10800.0)
    """Seconds until the version is changed. Our judgement."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        hit = self.victims or tuple(
            pod.replica_id(world.spec.name) for pod in world.pods(self.pool)
        )
        return replace(self, victims=hit)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        asked = demand(
            world.traffic.of(pool=self.pool), np.array([world.now]), len(world.pods(self.pool)) or 1
        )
        until_full = float(asked.requests[0]) * 3600.0 * self.hours
        for pod in world.pods(self.pool):
            if elapsed == 0.0 or not pod.engine.leak_bytes:
                pod.engine.leak_bytes = RESIDENT_BYTES / max(1.0, until_full)

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.engine.leak_bytes = 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
