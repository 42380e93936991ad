"""F22: a replica is added, and minutes go by before it gives its first answer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import SLOW_COLD_START, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class SlowColdStart(Fault):
    """Image, weights and compilation come from a cold cache when the pool is scaled out."""

    failure_mode: ClassVar[FailureMode] = SLOW_COLD_START
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R04",)
    pool: str = "code-8b"
    factor: float = sampled(11.0, 16.0, 13.0)
    """By how much loading takes longer; with the pool's minute that is the 409 to 966 s that were
    published for cold starts (kaito#2325)."""
    duration: float = sampled(1200.0, 2400.0, 1800.0)
    """Seconds until caches are warm. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        deployment = world.deployments[self.pool]
        if elapsed == 0.0:
            deployment.load_factor = self.factor
            world.scale(self.pool, deployment.replicas + 1, world.now)

    def clear(self, world: "World") -> None:
        world.deployments[self.pool].load_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
