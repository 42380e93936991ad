"""F23: the autoscaler's metric is empty, it reads that as no load, and scales in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import AUTOSCALER_STUCK, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class AutoscalerStuck(Fault):
    """A blind autoscaler keeps the least it may while calls stay as they are.

    It begins when the stabilisation window over the empty metric ends, which is when anything can
    be seen of it. KEDA reads an absent value as zero unless `ignoreNullValues` is false. An
    autoscaler at its limit is a capacity shortage (F14) and is simulated as that.
    """

    failure_mode: ClassVar[FailureMode] = AUTOSCALER_STUCK
    detect_within: ClassVar[float] = 300.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R16", "R04")
    pool: str = "chat-70b"
    """A pool that is scaled."""
    floor: int = 1
    """`minReplicas`."""
    duration: float = sampled(600.0, 1800.0, 1200.0)
    """Seconds for which the metric is empty: 5 to 30 minutes are reported; below ten the replicas
    would come back before anybody could look."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.deployments[self.pool].unseen_floor = self.floor

    def clear(self, world: "World") -> None:
        world.deployments[self.pool].unseen_floor = None

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
