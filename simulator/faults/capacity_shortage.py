"""F14: more calls come than a pool can answer."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.steady import demand, steady
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import CAPACITY_SHORTAGE, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World

_MOST = 64.0


@dataclass(frozen=True, slots=True)
class CapacityShortage(Fault):
    """Every stream of a pool grows until its slots are full and queues form everywhere."""

    failure_mode: ClassVar[FailureMode] = CAPACITY_SHORTAGE
    detect_within: ClassVar[float] = 2700.0
    """By burn rate: the ramp, and the time a queue needs to matter."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R04", "R05")
    pool: str = "edge-3b"
    overload: float = sampled(1.15, 1.8, 1.4)
    """Calls over what the pool can answer; 1.3 to 3 times the usual traffic is reported."""
    ramp: float = sampled(600.0, 1200.0, 900.0)
    """Seconds until all of them come. Our judgement."""
    duration: float = sampled(3000.0, 5400.0, 3600.0)
    """Seconds until traffic is as before. Our judgement."""
    factor: float = 0.0
    """By how much each stream grows; from the overload and the traffic of the hour when 0."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        hit = self.victims or tuple(
            pod.replica_id(world.spec.name) for pod in world.pods(self.pool)
        )
        return replace(self, victims=hit, factor=self.factor or self.overload * self._full(world))

    def _full(self, world: "World") -> float:
        """By how much the traffic of the hour may grow before every slot is taken."""
        spec = world.spec.pool(self.pool)
        sources = world.traffic.of(pool=self.pool)
        factors = np.geomspace(1.0, _MOST, 97)
        times = np.full(len(factors), world.now)
        asked = demand(sources, times, spec.replicas, rate_factors=[factors] * len(sources))
        full = steady(spec.engine, asked).running >= 0.98 * spec.engine.max_requests
        return float(factors[full][0]) if full.any() else _MOST

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        grown = 1.0 + (self.factor - 1.0) * min(1.0, elapsed / self.ramp)
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = grown

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
