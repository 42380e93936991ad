"""F34: the answers of one route no longer stop where they should."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, log_sampled, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import RUNAWAY_OUTPUT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class RunawayOutput(Fault):
    """One tenant's answers from one pool grow several times longer at equal calls."""

    failure_mode: ClassVar[FailureMode] = RUNAWAY_OUTPUT
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R06",)
    without_replicas: ClassVar[bool] = True
    tenant: str = "code-assist"
    pool: str = "code-8b"
    factor: float = log_sampled(3.0, 20.0, 6.0)
    """By how much answers grow; three- to twentyfold is reported."""
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds until they stop again. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant, self.pool):
            source.output_factor = self.factor

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant, self.pool):
            source.output_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant), pool_of(self.pool))
