"""B11: a node is cordoned, and its pods move elsewhere one by one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import node
from simulator.fault import Fault
from vocabulary.entities import Entity
from vocabulary.failure_modes import PLANNED_DRAIN, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PlannedDrain(Fault):
    """Streams end and pods start anew, announced and in turn."""

    failure_mode: ClassVar[FailureMode] = PLANNED_DRAIN
    benign: ClassVar[bool] = True
    unsimulated: ClassVar[str] = (
        "no simulated cluster can spare a whole node, so that a drain would be an outage"
    )
    node: str = "gpu-l40s-1"
    duration: float = 3600.0
    """Seconds until it is over."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing: see `unsimulated`."""

    def clear(self, world: "World") -> None:
        """Nothing was changed."""

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.node),)
