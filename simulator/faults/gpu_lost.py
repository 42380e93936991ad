"""F41: a GPU falls off the bus, and the replica that holds it cannot start again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import GPU_LOST, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GpuLost(Fault):
    """A board, a riser or a power cable fails: every call about the GPU says that it is lost."""

    failure_mode: ClassVar[FailureMode] = GPU_LOST
    detect_within: ClassVar[float] = 120.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R09")
    pool: str = "chat-70b"
    ordinal: int = 1
    """Which of the pool's ready replicas, oldest first."""
    member: int = 2
    """Which GPU of the replica's group."""
    duration: float = sampled(1200.0, 3600.0, 1800.0)
    """Seconds until the node was restarted. Our judgement."""
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
        if elapsed == 0.0:
            world.bank.xid_events[at].append(79)
            world.bank.lost[at] = True
        pod = world.pod_of(self.held_by)
        if pod is not None and pod.stage is Stage.READY:
            pod.crash(world.now)  # no process starts on a group that lacks one of its GPUs

    def clear(self, world: "World") -> None:
        if self.victim:
            world.bank.lost[world.bank.index_of(self.victim)] = False

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim), replica(self.held_by))
