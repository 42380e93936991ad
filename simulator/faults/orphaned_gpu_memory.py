"""F40: a process outlives its pod and keeps the memory of GPUs that nobody holds."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu
from simulator.fault import Fault, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import ORPHANED_GPU_MEMORY, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class OrphanedGpuMemory(Fault):
    """A worker that nobody reaped, on a GPU that is free by every account but its memory's."""

    failure_mode: ClassVar[FailureMode] = ORPHANED_GPU_MEMORY
    detect_within: ClassVar[float] = 2700.0
    """Half an hour with memory in use and no holder, and the last word of an allocation before."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R11", "R09")
    gib: float = sampled(5.0, 15.0, 12.0)
    """Memory that is kept; 5 to 70 GiB are reported, and the smallest GPU here has 24."""
    duration: float = sampled(3600.0, 7200.0, 5400.0)
    """Seconds until the GPU was reset. Our judgement."""
    victim: str = ""
    """Uuid of the GPU; the first that is free when empty."""

    def aim(self, world: "World") -> Self:
        free = [p.uuid for p, held in zip(world.bank.places, world.bank.holders, strict=True)
                if not held]  # fmt: skip
        return replace(self, victim=self.victim or next(iter(free), ""))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if self.victim:
            at = world.bank.index_of(self.victim)
            total = world.bank.places[at].model.memory_bytes
            share = self.gib * 2**30 / total
            world.bank.memory_share[at] = max(world.bank.memory_share[at], share)

    def clear(self, world: "World") -> None:
        if self.victim:
            at = world.bank.index_of(self.victim)
            world.bank.memory_share[at] = 0.93 if world.bank.holders[at] else 0.006

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim),)
