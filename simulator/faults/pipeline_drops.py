"""F56: much of what agents read never arrives, because a queue on the way is full."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import PIPELINE_DROPS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PipelineDrops(Fault):
    """A backend takes less than is sent: the exporter's queue overflows, and drops at random."""

    failure_mode: ClassVar[FailureMode] = PIPELINE_DROPS
    detect_within: ClassVar[float] = 1500.0
    """Ten minutes of windows of five minutes, and the first of them must fill with holes."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22",)
    lost: float = sampled(0.4, 0.8, 0.6)
    """Share of rounds that are thrown away."""
    duration: float = sampled(1800.0, 4800.0, 3000.0)
    """Seconds until the queue drains again. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.sight.delivery.losing = bool(rng.random() < self.lost)

    def clear(self, world: "World") -> None:
        world.sight.delivery.losing = False

    def entities(self) -> tuple[Entity, ...]:
        return (Entity(EntityKind.CLUSTER, "all", "everything"),)
