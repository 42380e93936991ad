"""F21: a changed prompt template puts what differs first, and the prefix cache finds little."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, chosen, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import PREFIX_CACHE_COLLAPSE, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PrefixCacheCollapse(Fault):
    """Cache hits of every stream of a pool fall at once; calls and prompts stay as they were."""

    failure_mode: ClassVar[FailureMode] = PREFIX_CACHE_COLLAPSE
    detect_within: ClassVar[float] = 1800.0
    first_cards: ClassVar[tuple[str, ...]] = ("R03", "R18")
    history_days: ClassVar[float] = 1.0
    pool: str = chosen("chat-70b", "code-8b", default="chat-70b")
    left: float = sampled(0.1, 0.4, 0.2)
    """Share of the hits that is left; a tenth to four tenths are reported."""
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds until the template is as before. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(pool=self.pool):
            source.cached_factor = self.left

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(pool=self.pool):
            source.cached_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
