"""F42: an uncorrectable error in a GPU's memory takes its replica down."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, chosen, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import GPU_MEMORY_FAULT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GpuMemoryFault(Fault):
    """Uncontained errors kill every process until the GPU is reset, contained ones kill one."""

    failure_mode: ClassVar[FailureMode] = GPU_MEMORY_FAULT
    detect_within: ClassVar[float] = 120.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R09")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    xid: str = chosen("48", "94", "95", default="95")
    """94 is contained: the replica starts again and serves; after the others it does not."""
    duration: float = sampled(1200.0, 3600.0, 1800.0)
    """Seconds until the GPU was reset. Our judgement."""
    victim: str = ""
    """Uuid of the GPU; chosen by pool and ordinal when empty."""
    held_by: str = ""
    """Entity id of the replica that holds it when the fault begins."""

    def aim(self, world: "World") -> Self:
        holder = self.held_by or chosen_pod(world, self.pool, self.ordinal)
        pod = world.pod_of(holder)
        if self.victim or pod is None:
            return replace(self, held_by=holder)
        return replace(self, held_by=holder, victim=world.bank.places[pod.gpus[0]].uuid)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if not self.victim:
            return
        at, pod = world.bank.index_of(self.victim), world.pod_of(self.held_by)
        if elapsed == 0.0:
            world.bank.xid_events[at].append(int(self.xid))
            world.bank.memory_errors[at] += 1
            world.bank.rows_pending[at] = True
            world.bank.recovery[at] = 4 if self.xid == "94" else 1  # drain and reset; reset
        contained = self.xid == "94" and elapsed > 0.0
        if pod is not None and pod.stage is Stage.READY and not contained:
            pod.crash(world.now)

    def clear(self, world: "World") -> None:
        if self.victim:
            at = world.bank.index_of(self.victim)
            world.bank.rows_pending[at], world.bank.recovery[at] = False, 0

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim), replica(self.held_by))
