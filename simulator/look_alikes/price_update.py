"""B16: a price list changes, and the same tokens cost another sum."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Change, Entity
from vocabulary.failure_modes import PRICE_UPDATE, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PriceUpdate(Fault):
    """Dollars a token step to another level, announced, while tokens stay as they are."""

    failure_mode: ClassVar[FailureMode] = PRICE_UPDATE
    benign: ClassVar[bool] = True
    without_replicas: ClassVar[bool] = True
    pool: str = "chat-70b"
    price: float = sampled(0.6, 1.5, 0.75)
    """New price over the old one. Our judgement."""
    duration: float = sampled(2400.0, 4800.0, 3600.0)
    """Seconds until the old list is back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.gateway.booked[self.pool] = Decimal(round(self.price, 3)).quantize(
                Decimal(".001")
            )
            self._tell(world, f"price of {self.pool} × {self.price:.2f}")

    def clear(self, world: "World") -> None:
        world.gateway.booked.pop(self.pool, None)
        self._tell(world, f"price of {self.pool} as before")

    def _tell(self, world: "World", what: str) -> None:
        pool = pool_of(self.pool)
        world.note(Change(world.now, "price", pool, what, pool.id))

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
