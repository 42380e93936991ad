"""F03: a busy pod answers its health check too late, and is killed for it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import PROBE_KILL, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ProbeKill(Fault):
    """A probe with a tight time-out meets a rush: each kill sends its load to those left."""

    failure_mode: ClassVar[FailureMode] = PROBE_KILL
    detect_within: ClassVar[float] = 600.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R17", "R05")
    pool: str = "chat-70b"
    rush: float = sampled(1.4, 2.0, 1.7)
    """By how much calls increase."""
    tightness: float = sampled(1.3, 1.8, 1.5)
    """Requests inside, over the mean before, from which the check is late."""
    duration: float = sampled(1200.0, 2400.0, 1800.0)
    """Seconds until the probe is mended. Our judgement."""
    limit: int = 0
    """Requests inside from which the check is late; from the tightness when 0."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        pods = world.pods(self.pool)
        mean = sum(len(pod.engine.requests()) for pod in pods) / max(1, len(pods))
        hit = self.victims or tuple(pod.replica_id(world.spec.name) for pod in pods)
        return replace(self, victims=hit, limit=self.limit or max(6, int(mean * self.tightness)))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for pod in world.pods(self.pool):
            pod.probe_limit = self.limit
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = self.rush

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.probe_limit = 0
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
