"""B06: clocks are put forward or back, and one tenant's day comes an hour earlier or later."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, chosen, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import CLOCK_CHANGE, FailureMode

if TYPE_CHECKING:
    from simulator.world import World

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class ClockChange(Fault):
    """The same curve as in all the weeks before, an hour beside it; other zones stay as they were.

    What people do in the night in which it happens is not simulated: the new curve holds at once.
    """

    failure_mode: ClassVar[FailureMode] = CLOCK_CHANGE
    benign: ClassVar[bool] = True
    history_days: ClassVar[float] = 14.0
    tenant: str = "code-assist"
    """Whose callers live where clocks change."""
    direction: str = chosen("forward", "back", default="forward")
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds for which the new curve is watched. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant):
            source.clock_shift = _HOUR if self.direction == "forward" else -_HOUR

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant):
            source.clock_shift = 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
