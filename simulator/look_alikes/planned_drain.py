"""B11: a node is cordoned, its pods move elsewhere one by one, and it is restarted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import node
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from vocabulary.entities import Entity
from vocabulary.failure_modes import PLANNED_DRAIN, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PlannedDrain(Fault):
    """Streams end and pods start anew, announced and in turn; then the machine is away a while."""

    failure_mode: ClassVar[FailureMode] = PLANNED_DRAIN
    benign: ClassVar[bool] = True
    only_on: ClassVar[str] = "spare"
    place: str = "gpu-l40s-1"
    """Name of the node."""
    pause: float = sampled(30.0, 120.0, 60.0)
    """Seconds between one pod's turn and the next."""
    away: float = sampled(240.0, 900.0, 480.0)
    """Seconds that the empty node is away: a driver or a kernel is new, and it restarts."""
    duration: float = sampled(1500.0, 2400.0, 1800.0)
    """Seconds until it is uncordoned. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if self.place not in {one.name for one in world.spec.nodes}:
            return
        if elapsed == 0.0:
            world.scheduling.cordon(world, self.place, world.now, self.pause)
        begin = self.duration - self.away - 120.0
        there = [one for one in world.pods() if one.node == self.place]
        moved = all(one.stage is Stage.GONE for one in there)
        gone = world.scheduling.silent(self.place)
        if moved and not gone and begin <= elapsed < begin + self.away:
            world.scheduling.lose(world, self.place, world.now, reclaimed=False)
        elif gone and elapsed >= begin + self.away:
            world.scheduling.give_back(world, self.place, world.now)

    def clear(self, world: "World") -> None:
        world.scheduling.give_back(world, self.place, world.now)
        world.scheduling.uncordon(world, self.place, world.now)

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.place),)
