"""F52: the pages of a pool are lost to whoever reads them, and its calls go on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, chosen, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import TARGETS_GONE, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class TargetsGone(Fault):
    """A label selector is edited, or a network policy cuts the reader off."""

    failure_mode: ClassVar[FailureMode] = TARGETS_GONE
    detect_within: ClassVar[float] = 1200.0
    """Ten minutes of silence, which begins when the last value is five minutes old."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22",)
    pool: str = "chat-70b"
    how: str = chosen("unlisted", "walled", default="unlisted")
    """Whether discovery forgets the pods, or their pages cannot be reached."""
    duration: float = sampled(1800.0, 4800.0, 3000.0)
    """Seconds until it was mended. Our judgement."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        hit = tuple(pod.replica_id(world.spec.name) for pod in world.pods(self.pool))
        return replace(self, victims=self.victims or hit)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        hidden = world.sight.walled if self.how == "walled" else world.sight.unlisted
        hidden.add(self.pool)

    def clear(self, world: "World") -> None:
        world.sight.walled.discard(self.pool)
        world.sight.unlisted.discard(self.pool)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
