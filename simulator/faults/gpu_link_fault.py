"""F43: an NVLink goes down, and the replica whose GPUs speak through it dies with it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import GPU_LINK_FAULT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GpuLinkFault(Fault):
    """Xid 74 on every GPU of a group within seconds; replicas of one GPU would not notice."""

    failure_mode: ClassVar[FailureMode] = GPU_LINK_FAULT
    detect_within: ClassVar[float] = 120.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R09")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    links: int = sampled(1, 3, 1)
    """How many links of each GPU go down."""
    duration: float = sampled(1200.0, 3600.0, 1800.0)
    """Seconds until the node was restarted. Our judgement."""
    victims: tuple[str, ...] = ()
    """Uuids of the group's GPUs; chosen when empty."""
    held_by: str = ""
    """Entity id of the replica that holds them when the fault begins."""

    def aim(self, world: "World") -> Self:
        holder = self.held_by or chosen_pod(world, self.pool, self.ordinal)
        pod = world.pod_of(holder)
        if self.victims or pod is None:
            return replace(self, held_by=holder)
        uuids = tuple(world.bank.places[one].uuid for one in pod.gpus)
        return replace(self, held_by=holder, victims=uuids)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for uuid in self.victims if elapsed == 0.0 else ():
            at = world.bank.index_of(uuid)
            world.bank.xid_events[at].append(74)
            world.bank.links_down[at] = self.links
            world.bank.link_errors[at] += self.links
            world.bank.recovery[at] = 1
        pod = world.pod_of(self.held_by)
        if pod is not None and pod.stage is Stage.READY:
            pod.crash(world.now)

    def clear(self, world: "World") -> None:
        for uuid in self.victims:
            at = world.bank.index_of(uuid)
            world.bank.links_down[at], world.bank.recovery[at] = 0, 0

    def entities(self) -> tuple[Entity, ...]:
        return (*(gpu(one) for one in self.victims), replica(self.held_by))
