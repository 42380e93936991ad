"""B04: a pool is given one more replica, cold and idle at first, and dearer by the hour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import SCALE_UP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ScaleUp(Fault):
    """Somebody, or an autoscaler ahead of its time, adds a replica and later takes it away."""

    failure_mode: ClassVar[FailureMode] = SCALE_UP
    benign: ClassVar[bool] = True
    pool: str = "chat-70b"
    duration: float = sampled(1500.0, 3600.0, 2400.0)
    """Seconds until the replica is taken away again. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.scale(self.pool, world.deployments[self.pool].replicas + 1, world.now)

    def clear(self, world: "World") -> None:
        deployment = world.deployments[self.pool]
        if deployment.replicas > deployment.spec.replicas:
            world.scale(self.pool, deployment.replicas - 1, world.now)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
