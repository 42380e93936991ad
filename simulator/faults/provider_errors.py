"""F10: a provider outside refuses calls for want of quota, or fails them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault
from vocabulary.entities import Entity
from vocabulary.failure_modes import PROVIDER_ERRORS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ProviderErrors(Fault):
    """Errors behind one provider alone, and calls that fall back to another."""

    failure_mode: ClassVar[FailureMode] = PROVIDER_ERRORS
    detect_within: ClassVar[float] = 300.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R19", "R05")
    unsimulated: ClassVar[str] = "the simulated gateway sends no call to a provider outside"
    model: str = "hosted"
    duration: float = 3600.0
    """Seconds until it is over."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (route(self.model),)
