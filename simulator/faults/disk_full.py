"""F50: a disk fills up with model caches, logs or core dumps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import node
from simulator.fault import Fault
from vocabulary.entities import Entity
from vocabulary.failure_modes import DISK_FULL, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class DiskFull(Fault):
    """A node's file system has no room left, and its pods are evicted."""

    failure_mode: ClassVar[FailureMode] = DISK_FULL
    detect_within: ClassVar[float] = 1200.0
    severity: ClassVar[Severity] = Severity.WARNING
    unsimulated: ClassVar[str] = (
        "no collector reads how full a disk is, so that nothing could forecast it: kube-prometheus'"
        " own rules on file systems and volumes do"
    )
    place: str = "gpu-h100-1"
    """Name of the node."""
    duration: float = 3600.0
    """Seconds until somebody made room."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Nothing that is collected would show it."""

    def clear(self, world: "World") -> None:
        """Nothing to undo."""

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.place),)
