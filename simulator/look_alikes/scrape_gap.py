"""B09: nobody collects for a while; afterwards counters have jumped by what happened meanwhile."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import SCRAPE_GAP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ScrapeGap(Fault):
    """The collector restarts: one to ten samples of everything are missing."""

    failure_mode: ClassVar[FailureMode] = SCRAPE_GAP
    benign: ClassVar[bool] = True
    duration: float = sampled(15.0, 150.0, 90.0)
    """Seconds without a sample: one to ten at an interval of 15 s."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.scraping = False

    def clear(self, world: "World") -> None:
        world.scraping = True

    def entities(self) -> tuple[Entity, ...]:
        return (Entity(EntityKind.CLUSTER, "demo"),)
