"""F35: a provider reads prompts anew that it used to have cached."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault
from vocabulary.entities import Entity
from vocabulary.failure_modes import PROMPT_CACHE_MISS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PromptCacheMiss(Fault):
    """The cached share falls from most to little, and each prompt token costs more."""

    failure_mode: ClassVar[FailureMode] = PROMPT_CACHE_MISS
    detect_within: ClassVar[float] = 7200.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R18", "R03")
    unsimulated: ClassVar[str] = "the simulated gateway sends no call to a provider outside"
    tenant: str = "support-bot"
    duration: float = 3600.0
    """Seconds until it is over."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
