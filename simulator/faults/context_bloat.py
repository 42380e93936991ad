"""F33: an application appends history and tool output to its prompts, a little more every day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from simulator.traffic import Bend
from vocabulary.entities import Entity
from vocabulary.failure_modes import CONTEXT_BLOAT, FailureMode, Severity
from vocabulary.samples import Array

if TYPE_CHECKING:
    from simulator.world import World

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class ContextBloat(Fault):
    """Prompts were shorter in every week before and go on growing; calls are as many as ever."""

    failure_mode: ClassVar[FailureMode] = CONTEXT_BLOAT
    from_the_past: ClassVar[bool] = True
    detect_within: ClassVar[float] = 900.0
    """It has gone on for two weeks when the world begins, and a week is enough to see it."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R06", "R18")
    history_days: ClassVar[float] = 15.0
    without_replicas: ClassVar[bool] = True
    tenant: str = "support-bot"
    pool: str = "chat-70b"
    growth: float = sampled(0.01, 0.05, 0.03)
    """Of the prompt, a day."""
    duration: float = sampled(7200.0, 14_400.0, 10_800.0)
    """Seconds until somebody cuts the history. Our judgement."""

    def earlier(self, world: "World", since: Array) -> Mapping[int, Bend]:
        grown = (1.0 + self.growth) ** np.minimum(since / _DAY, 0.0)
        bend = Bend(np.ones(len(since)), grown)
        return {id(source): bend for source in world.traffic.of(self.tenant, self.pool)}

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant, self.pool):
            source.prompt_factor = (1.0 + self.growth) ** (elapsed / _DAY)

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant, self.pool):
            source.prompt_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
