"""F37: the gateway has no price for a model any more, or a wrong one, and books next to nothing."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault, chosen, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import SPEND_DATA_WRONG, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class SpendDataWrong(Fault):
    """Tokens are as ever and their booked dollars are not; budgets do not bite any more."""

    failure_mode: ClassVar[FailureMode] = SPEND_DATA_WRONG
    detect_within: ClassVar[float] = 3600.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R25",)
    without_replicas: ClassVar[bool] = True
    pool: str = chosen("chat-70b", "code-8b", default="chat-70b")
    booked: str = chosen("0", "0.1", default="0.1")
    """Dollars booked over the list price: a missing price, or one that is off by a power of ten
    ($0.54 booked for $5.94 is reported)."""
    duration: float = sampled(5400.0, 10_800.0, 7200.0)
    """Seconds until the price is mended. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.gateway.booked[self.pool] = Decimal(self.booked)

    def clear(self, world: "World") -> None:
        world.gateway.booked.pop(self.pool, None)

    def entities(self) -> tuple[Entity, ...]:
        return (route(self.pool), pool_of(self.pool))
