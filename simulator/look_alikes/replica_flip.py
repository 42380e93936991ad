"""B15: who scrapes changes its address, and for some minutes every page is read twice."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import REPLICA_FLIP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ReplicaFlip(Fault):
    """Pages are listed under a second address beside the first, and then under the new one alone.

    That is what a pair of scrapers leaves behind when one takes over from the other: the address
    of every target changes, and both are there until the first is forgotten.
    """

    failure_mode: ClassVar[FailureMode] = REPLICA_FLIP
    benign: ClassVar[bool] = True
    overlap: float = sampled(120.0, 300.0, 300.0)
    """Seconds for which both are there."""
    duration: float = sampled(1200.0, 2400.0, 1800.0)
    """Seconds until the first scraper has its place back. Our judgement."""
    victim: str = ""
    """Entity id of the gateway, whose page is one of them; known when it begins."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or world.gateway_id)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        world.addresses = ("", "?from=b") if elapsed < self.overlap else ("?from=b",)

    def clear(self, world: "World") -> None:
        world.addresses = ("",)

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim),)
