"""B02: calls move from one pool to another; together they are as many as before."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import TRAFFIC_SHIFT, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class TrafficShift(Fault):
    """One tenant points its calls at another pool, as when a region or a route is moved."""

    failure_mode: ClassVar[FailureMode] = TRAFFIC_SHIFT
    benign: ClassVar[bool] = True
    without_replicas: ClassVar[bool] = True
    tenant: str = "support-bot"
    pool: str = "chat-70b"
    """Where calls leave."""
    to: str = "code-8b"
    """Where they arrive."""
    share: float = sampled(0.5, 1.0, 0.7)
    """Share of the calls that moves."""
    duration: float = sampled(1800.0, 5400.0, 3600.0)
    """Seconds until they are moved back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.traffic.move(self.tenant, self.pool, self.to, self.share)

    def clear(self, world: "World") -> None:
        world.traffic.move_back(self.tenant)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), pool_of(self.to))
