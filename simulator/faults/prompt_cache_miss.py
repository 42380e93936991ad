"""F35: a provider reads prompts anew that it used to have cached."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

import fleet.identity
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import PROMPT_CACHE_MISS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PromptCacheMiss(Fault):
    """A time stamp came early into a prompt: the cached share falls, and each token costs more."""

    failure_mode: ClassVar[FailureMode] = PROMPT_CACHE_MISS
    detect_within: ClassVar[float] = 7200.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R18", "R03")
    only_on: ClassVar[str] = "hosted"
    also_on: ClassVar[tuple[str, ...]] = ("fallbacks",)
    without_replicas: ClassVar[bool] = True
    pool: str = "frontier"
    """Name of the route to the provider."""
    tenant: str = "support-bot"
    left: float = sampled(0.05, 0.3, 0.15)
    """Cached share over before; from 0.8 to 0.1 is reported."""
    duration: float = sampled(7200.0, 14_400.0, 10_800.0)
    """Seconds until the prompt is put in order. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant, self.pool):
            source.cached_factor = self.left

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant, self.pool):
            source.cached_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (fleet.identity.tenant(self.tenant), fleet.identity.route(self.pool))
