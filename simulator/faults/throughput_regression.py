"""F27: a new revision is rolled out and every step of it takes longer than before."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, log_sampled, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import THROUGHPUT_REGRESSION, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ThroughputRegression(Fault):
    """An engine upgrade that falls back to a slower kernel; pods change one after the other."""

    failure_mode: ClassVar[FailureMode] = THROUGHPUT_REGRESSION
    detect_within: ClassVar[float] = 2700.0
    """Half an hour after a rollout that itself takes minutes."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R24", "R03")
    pool: str = "code-8b"
    version: str = "0.33.0"
    """The revision that is rolled out."""
    slowdown: float = log_sampled(1.15, 3.0, 1.8)
    """By how much a step takes longer; 10 % to threefold is reported for engine upgrades."""
    pause: float = sampled(30.0, 400.0, 30.0)
    """Seconds between two pods, so that the rollout takes 5 to 30 minutes."""
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds until it is rolled back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.rollout(self.pool, self.version, slowdown=self.slowdown, pause=self.pause)

    def clear(self, world: "World") -> None:
        world.rollout(self.pool, world.deployments[self.pool].spec.version, pause=self.pause)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
