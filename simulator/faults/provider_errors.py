"""F10: a provider outside refuses calls for want of quota, or fails them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import PROVIDER_ERRORS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ProviderErrors(Fault):
    """Errors behind one provider alone, and calls that are tried again, or fall back elsewhere."""

    failure_mode: ClassVar[FailureMode] = PROVIDER_ERRORS
    detect_within: ClassVar[float] = 600.0
    """Four minutes of failures, each seen through a rate of two, and enough calls to count."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R19", "R05")
    only_on: ClassVar[str] = "hosted"
    also_on: ClassVar[tuple[str, ...]] = ("fallbacks",)
    without_replicas: ClassVar[bool] = True
    pool: str = "frontier"
    """Name of the route to it."""
    refused: float = sampled(0.3, 0.9, 0.6)
    """Share of calls that it refuses."""
    duration: float = sampled(1200.0, 3600.0, 2400.0)
    """Seconds until quota or provider is back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        provider = world.outside.providers.get(self.pool)
        if provider is not None:
            provider.refused = self.refused

    def clear(self, world: "World") -> None:
        provider = world.outside.providers.get(self.pool)
        if provider is not None:
            provider.refused = 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (route(self.pool),)
