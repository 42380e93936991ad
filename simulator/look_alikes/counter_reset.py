"""B10: a process is replaced without anybody noticing, and its counters begin at zero again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault
from simulator.victims import chosen_pod
from vocabulary.entities import Change, Entity
from vocabulary.failure_modes import COUNTER_RESET, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class CounterReset(Fault):
    """The gateway's, or an engine's whose requests were handed over; none of them is lost."""

    failure_mode: ClassVar[FailureMode] = COUNTER_RESET
    benign: ClassVar[bool] = True
    pool: str = ""
    """Pool of the engine whose counters begin anew; the gateway's do when empty."""
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    duration: float = 60.0
    """Seconds for which the reset counts as news."""
    victim: str = ""
    """Entity id of the process; chosen when empty."""

    def aim(self, world: "World") -> Self:
        if self.victim:
            return self
        if not self.pool:
            return replace(self, victim=world.gateway_id)
        return replace(self, victim=chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed > 0.0:
            return
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.begin_counting(world.now)
        elif self.victim == world.gateway_id:
            world.gateway.reset_counters(world.now)
        pool = pod.pool.id if pod is not None else ""
        what = "process replaced, its counters begin at zero"
        world.note(Change(world.now, "restart", replica(self.victim), what, pool))

    def clear(self, world: "World") -> None:
        """Counters go on from where they are."""

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim),)
