"""F25: somebody else works on the same GPU."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import NOISY_NEIGHBOUR, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class NoisyNeighbour(Fault):
    """Steps take longer and scatter more whenever the neighbour works."""

    failure_mode: ClassVar[FailureMode] = NOISY_NEIGHBOUR
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R15", "R01")
    unsimulated: ClassVar[str] = (
        "every simulated GPU has one owner, and none is shared by time slicing"
    )
    pool: str = "edge-3b"
    duration: float = 3600.0
    """Seconds until it is over."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
