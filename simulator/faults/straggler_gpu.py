"""F24: one GPU of a group is braked by heat and all others wait for it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, sampled
from simulator.gpus import SW_THERMAL
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import STRAGGLER_GPU, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class StragglerGpu(Fault):
    """Failing cooling: temperature climbs, the software thermal brake lowers the SM clock."""

    failure_mode: ClassVar[FailureMode] = STRAGGLER_GPU
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R02")
    pool: str = "chat-70b"
    ordinal: int = 1
    """Which of the pool's ready replicas, oldest first."""
    member: int = 0
    """Which GPU of the replica's group."""
    clock_share: float = sampled(0.25, 0.8, 0.4)
    """What is left of the SM clock; 480 of 1980 MHz has been seen on an H100."""
    heat: float = sampled(86.0, 92.0, 88.0)
    """Temperature it settles at, °C."""
    ramp: float = sampled(120.0, 600.0, 180.0)
    """Seconds until the brake is full on."""
    duration: float = sampled(1800.0, 5400.0, 3600.0)
    """Seconds until the cooling works again. Our judgement."""
    victim: str = ""
    """Uuid of the GPU; chosen by pool, ordinal and member when empty."""
    held_by: str = ""
    """Entity id of the replica that holds it when the fault begins."""

    def aim(self, world: "World") -> Self:
        holder = self.held_by or chosen_pod(world, self.pool, self.ordinal)
        pod = world.pod_of(holder)
        if self.victim or pod is None:
            return replace(self, held_by=holder)
        uuid = world.bank.places[pod.gpus[self.member % len(pod.gpus)]].uuid
        return replace(self, held_by=holder, victim=uuid)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if not self.victim:
            return
        at = world.bank.index_of(self.victim)
        progress = min(1.0, elapsed / self.ramp)
        world.bank.forced_heat[at] = self.heat
        # the brake comes on once it is hot, in the second half of the ramp
        braked = max(0.0, 2.0 * progress - 1.0)
        world.bank.clock_share[at] = 1.0 - braked * (1.0 - self.clock_share)
        world.bank.brake[at] = SW_THERMAL if braked > 0.0 else 0

    def clear(self, world: "World") -> None:
        if not self.victim:
            return
        at = world.bank.index_of(self.victim)
        world.bank.forced_heat[at] = np.nan
        world.bank.clock_share[at] = 1.0
        world.bank.brake[at] = 0

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim), replica(self.held_by))
