"""F19: more adapters are asked for than fit, and they push each other out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import LORA_THRASH, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class LoraThrash(Fault):
    """Requests wait until their adapter has been loaded once more."""

    failure_mode: ClassVar[FailureMode] = LORA_THRASH
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R18", "R17")
    unsimulated: ClassVar[str] = "no call of the simulated traffic names an adapter"
    pool: str = "chat-70b"
    duration: float = 3600.0
    """Seconds until it is mended."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
