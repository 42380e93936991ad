"""B13: the software power cap holds the clocks of a whole node down a little, as it is meant to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import node
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import POWER_CAP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PowerCap(Fault):
    """Every GPU of the node alike: a cap set for the rack, not a card that breaks.

    Decoding waits for memory, whose clock is not capped, so that steps take as long as before.
    """

    failure_mode: ClassVar[FailureMode] = POWER_CAP
    benign: ClassVar[bool] = True
    node: str = "gpu-h100-1"
    clock_share: float = sampled(0.78, 0.92, 0.8)
    """What is left of the SM clock; 1965 to 1580 MHz is reported for a capped B200."""
    duration: float = sampled(1800.0, 5400.0, 2700.0)
    """Seconds until the cap is lifted. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        self._set(world, self.clock_share)

    def clear(self, world: "World") -> None:
        self._set(world, 1.0)

    def _set(self, world: "World", share: float) -> None:
        for position, place in enumerate(world.bank.places):
            if place.node == self.node:
                world.bank.power_cap[position] = share

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.node),)
