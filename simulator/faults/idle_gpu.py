"""F39: a model that nobody calls any more keeps its GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.traffic import Bend
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import IDLE_GPU, FailureMode, Severity
from vocabulary.samples import Array

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class IdleGpu(Fault):
    """No call for a day and more, and memory, power and money are spent as before."""

    failure_mode: ClassVar[FailureMode] = IDLE_GPU
    from_the_past: ClassVar[bool] = True
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R21",)
    history_days: ClassVar[float] = 15.0
    pool: str = "edge-3b"
    before: float = sampled(93_600.0, 259_200.0, 100_800.0)
    """Seconds since the last call, when the world begins: 26 hours to three days."""
    duration: float = sampled(7200.0, 14_400.0, 10_800.0)
    """Seconds until somebody notices. Our judgement."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas; known when it begins."""

    def aim(self, world: "World") -> Self:
        return replace(
            self, victims=tuple(one.replica_id(world.spec.name) for one in world.pods(self.pool))
        )

    def earlier(self, world: "World", since: Array) -> Mapping[int, Bend]:
        rate = np.where(since >= -self.before, 0.0, 1.0)
        bend = Bend(rate, np.ones(len(since)))
        return {id(source): bend for source in world.traffic.of(pool=self.pool)}

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = 0.0

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(pool=self.pool):
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
