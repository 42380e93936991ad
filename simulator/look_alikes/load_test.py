"""B12: a load test under a key of its own, as fast as the pool can take without hurting anybody."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from simulator.traffic import Poisson
from vocabulary.entities import Entity
from vocabulary.failure_modes import LOAD_TEST, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class LoadTest(Fault):
    """Calls of one size at a steady mean rate from a tenant that was never seen before."""

    failure_mode: ClassVar[FailureMode] = LOAD_TEST
    benign: ClassVar[bool] = True
    history_days: ClassVar[float] = 14.0
    without_replicas: ClassVar[bool] = True
    tenant: str = "load-test"
    pool: str = "code-8b"
    rate: float = sampled(1.0, 2.5, 1.5)
    """Calls a second: what the pool has to spare."""
    duration: float = sampled(900.0, 2700.0, 1800.0)
    """Seconds the test runs. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        if elapsed == 0.0:
            world.traffic.extra.append(
                Poisson(self.tenant, self.pool, self.rate, 512, 128, 0.0, rng)
            )

    def clear(self, world: "World") -> None:
        world.traffic.extra = [
            one
            for one in world.traffic.extra
            if not (isinstance(one, Poisson) and one.tenant == self.tenant)
        ]

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
