"""F44: the GPU's firmware stops answering its driver, and the engine waits for ever."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, chosen, sampled
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import GPU_DRIVER_HANG, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GpuDriverHang(Fault):
    """An RPC to the GPU's system processor times out; kernels that were launched never end."""

    failure_mode: ClassVar[FailureMode] = GPU_DRIVER_HANG
    detect_within: ClassVar[float] = 180.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R09", "R10")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    xid: str = chosen("119", "120", default="119")
    """What the driver writes down: an RPC that timed out, or an error of the processor."""
    duration: float = sampled(900.0, 2400.0, 1500.0)
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
            world.bank.recovery[at] = 1
        if pod is not None:
            pod.engine.stalled, pod.engine.spins = True, False

    def clear(self, world: "World") -> None:
        if self.victim:
            world.bank.recovery[world.bank.index_of(self.victim)] = 0
        pod = world.pod_of(self.held_by)
        if pod is not None:
            pod.engine.stalled = False
            pod.engine.abandon([])

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim), replica(self.held_by))
