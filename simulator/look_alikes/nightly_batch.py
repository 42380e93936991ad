"""B03: a tenant's batch job, at the hour at which it comes every day."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import NIGHTLY_BATCH, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class NightlyBatch(Fault):
    """Requests, tokens and money rise severalfold; history shows the same at this hour."""

    failure_mode: ClassVar[FailureMode] = NIGHTLY_BATCH
    benign: ClassVar[bool] = True
    history_days: ClassVar[float] = 14.0
    without_replicas: ClassVar[bool] = True
    tenant: str = "batch-eval"
    pool: str = "code-8b"
    factor: float = sampled(3.0, 10.0, 7.0)
    """By how much the tenant's rate rises."""
    duration: float = sampled(1800.0, 5400.0, 2700.0)
    """Seconds the job runs. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant, self.pool):
            source.rate_factor = self.factor

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant, self.pool):
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
