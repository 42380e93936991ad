"""F19: more adapters are asked for than fit, and they push each other out."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
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
    only_on: ClassVar[str] = "adapters"
    needs: ClassVar[str] = "adapters"
    pool: str = "chat-70b"
    asked: int = sampled(14, 32, 20)
    """Adapters that callers name; there are four slots."""
    duration: float = sampled(1800.0, 3600.0, 2700.0)
    """Seconds until calls for an adapter go to replicas that have it. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        self._ask(world, self.asked)

    def clear(self, world: "World") -> None:
        usual = world.spec.pool(self.pool).adapters
        self._ask(world, 0 if usual is None else usual.asked)

    def _ask(self, world: "World", asked: int) -> None:
        for pod in world.pods(self.pool):
            if pod.engine.adapters is not None:
                pod.engine.adapters.use = replace(pod.engine.adapters.use, asked=asked)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
