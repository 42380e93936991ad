"""F57: the replicas of a pool are read twice, under two names each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import DOUBLE_COUNTING, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class DoubleCounting(Fault):
    """Somebody adds a list of addresses to pods that discovery finds by itself."""

    failure_mode: ClassVar[FailureMode] = DOUBLE_COUNTING
    detect_within: ClassVar[float] = 1500.0
    """A quarter of an hour in which both names tell the same."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22",)
    pool: str = "code-8b"
    duration: float = sampled(2400.0, 5400.0, 3600.0)
    """Seconds until the list is taken away again. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.sight.listed_twice.add(self.pool)

    def clear(self, world: "World") -> None:
        world.sight.listed_twice.discard(self.pool)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
