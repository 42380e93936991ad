"""F09: the endpoint picker in front of a pool is gone, and calls end there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault, chosen, sampled
from simulator.routing import BrokenRoute
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import ROUTER_DOWN, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class RouterDown(Fault):
    """A share of the calls is answered 503 before any replica hears of it; replicas run dry."""

    failure_mode: ClassVar[FailureMode] = ROUTER_DOWN
    detect_within: ClassVar[float] = 120.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R18")
    without_replicas: ClassVar[bool] = True
    pool: str = chosen("chat-70b", "code-8b", default="code-8b")
    share: float = sampled(0.3, 1.0, 0.8)
    """Share of the calls that fails: one of three pickers, or all of them."""
    duration: float = sampled(600.0, 1800.0, 900.0)
    """Seconds until the picker is back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        if elapsed == 0.0:
            world.gateway.broken[self.pool] = BrokenRoute(self.share, rng)

    def clear(self, world: "World") -> None:
        world.gateway.broken.pop(self.pool, None)

    def entities(self) -> tuple[Entity, ...]:
        return (route(self.pool), pool_of(self.pool))
