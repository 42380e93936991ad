"""What a detector is shown: evaluated signals, the fleet, and what changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vocabulary.entities import Change, Gpu, Replica
from vocabulary.expressions import Signal
from vocabulary.samples import Frame


@dataclass(frozen=True, slots=True)
class Watch:
    """A signal and how much of its past a detector needs."""

    signal: Signal
    lookback: float
    """Seconds before now."""
    step: float
    """Seconds between columns."""
    every: float = 0.0
    """Re-evaluate at most this often (seconds): for long lookbacks that change slowly."""
    until: float = 0.0
    """End this many seconds before now: 0 looks at the present."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The world at one tick. Detectors read it and do no I/O."""

    now: float
    frame: Callable[[Watch], Frame]
    """The watched signal over its lookback; rows absent when nothing was measured."""
    replicas: tuple[Replica, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    changes: tuple[Change, ...] = ()
    """Changes of the last day, oldest first."""
    troubled: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """By entity (`str(entity)`, pools and models too): spans inside incidents, from which nothing
    may be learnt as normal."""
    interval: float = 15.0
    """Seconds between collections."""

    def replica(self, replica_id: str) -> Replica | None:
        """The replica with this id."""
        return next((one for one in self.replicas if one.entity.id == replica_id), None)
