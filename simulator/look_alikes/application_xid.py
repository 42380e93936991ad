"""B14: a program on the GPU faults and the driver says so; the GPU is well."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu
from simulator.fault import Fault, chosen
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import APPLICATION_XID, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ApplicationXid(Fault):
    """One event of a kind that NVIDIA's catalogue calls a fault of the application."""

    failure_mode: ClassVar[FailureMode] = APPLICATION_XID
    benign: ClassVar[bool] = True
    pool: str = chosen("chat-70b", "code-8b", default="code-8b")
    xid: str = chosen("13", "31", "43", "45", default="31")
    """Graphics engine exception, memory page fault, stopped processing, preemptive clean-up."""
    duration: float = 900.0
    """Seconds for which the event counts as news."""
    victim: str = ""
    """Uuid of the GPU; chosen when empty."""

    def aim(self, world: "World") -> Self:
        pod = world.pod_of(chosen_pod(world, self.pool, 0))
        if self.victim or pod is None:
            return self
        return replace(self, victim=world.bank.places[pod.gpus[0]].uuid)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0 and self.victim:
            world.bank.xid_events[world.bank.index_of(self.victim)].append(int(self.xid))

    def clear(self, world: "World") -> None:
        """Nothing broke."""

    def entities(self) -> tuple[Entity, ...]:
        return (gpu(self.victim),)
