"""F28: the draft model is accepted less and less."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import SPECULATION_DECAY, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class SpeculationDecay(Fault):
    """Draft tokens that the model used to accept are thrown away."""

    failure_mode: ClassVar[FailureMode] = SPECULATION_DECAY
    detect_within: ClassVar[float] = 3600.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R17", "R02")
    unsimulated: ClassVar[str] = "no engine of the simulator drafts tokens"
    pool: str = "chat-70b"
    duration: float = 3600.0
    """Seconds until it is mended."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
