"""F53: a new release of the server calls one of its metrics by another name."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, chosen, sampled
from simulator.pages import renames
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import METRIC_RENAMED, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class MetricRenamed(Fault):
    """A pool is rolled out to that release; its pages answer, and one figure is missing."""

    failure_mode: ClassVar[FailureMode] = METRIC_RENAMED
    detect_within: ClassVar[float] = 2400.0
    """Half an hour after the first new pod is ready."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22",)
    pool: str = "code-8b"
    which: str = chosen("running", "kv_cache", "steps", "tokens", default="kv_cache")
    """Whose name it is."""
    pause: float = sampled(20.0, 120.0, 60.0)
    """Seconds between one pod's turn and the next."""
    duration: float = sampled(3000.0, 6000.0, 4200.0)
    """Seconds until it is rolled back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.sight.names[renames.RELEASE] = renames.NAMES[self.which]
            world.rollout(self.pool, renames.RELEASE, pause=self.pause)

    def clear(self, world: "World") -> None:
        world.rollout(self.pool, world.spec.pool(self.pool).version, pause=self.pause)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
