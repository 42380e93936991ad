"""B07: a holiday: most calls stay away, and come back within half an hour when it is over."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import MONDAY_RAMP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class MondayRamp(Fault):
    """Every tenant's rate falls, stays low, and ramps up again as on a Monday morning."""

    failure_mode: ClassVar[FailureMode] = MONDAY_RAMP
    benign: ClassVar[bool] = True
    history_days: ClassVar[float] = 14.0
    left: float = sampled(0.2, 0.4, 0.3)
    """Share of the usual calls that still comes: a fivefold ramp is reported for Mondays."""
    ramp: float = sampled(1200.0, 1800.0, 1800.0)
    """Seconds that each slope takes."""
    duration: float = sampled(5400.0, 7200.0, 6000.0)
    """Seconds from the first call that stays away to the last that is back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        down = min(1.0, elapsed / self.ramp)
        up = min(1.0, max(0.0, self.duration - elapsed) / self.ramp)
        for source in world.traffic.sources:
            source.rate_factor = 1.0 - (1.0 - self.left) * min(down, up)

    def clear(self, world: "World") -> None:
        for source in world.traffic.sources:
            source.rate_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant("search"),)
