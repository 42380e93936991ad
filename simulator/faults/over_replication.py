"""F38: callers left a pool hours ago, and nobody scaled it in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.traffic import Bend
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import OVER_REPLICATION, FailureMode, Severity
from vocabulary.samples import Array

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class OverReplication(Fault):
    """All replicas stay, and one of them could do the little that is left."""

    failure_mode: ClassVar[FailureMode] = OVER_REPLICATION
    from_the_past: ClassVar[bool] = True
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R21",)
    history_days: ClassVar[float] = 15.0
    pool: str = "code-8b"
    left: float = sampled(0.02, 0.05, 0.03)
    """Share of the calls that still comes: twice to four times the replicas that are needed."""
    before: float = sampled(25_200.0, 43_200.0, 28_800.0)
    """Seconds since they left, when the world begins: over six hours are reported."""
    duration: float = sampled(7200.0, 14_400.0, 10_800.0)
    """Seconds until somebody notices. Our judgement."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas; known when it begins."""

    def aim(self, world: "World") -> Self:
        return replace(
            self, victims=tuple(one.replica_id(world.spec.name) for one in world.pods(self.pool))
        )

    def earlier(self, world: "World", since: Array) -> Mapping[int, Bend]:
        rate = np.where(since >= -self.before, self.left, 1.0)
        bend = Bend(rate, np.ones(len(since)))
        return {id(source): bend for source in world.traffic.of(pool=self.pool)}

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = self.left

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
