"""F07: callers hang up, the scheduler never hears of it, and their answers decode on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import ZOMBIE_REQUESTS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ZombieRequests(Fault):
    """Aborts are lost on the way to one engine; what was abandoned holds slot and blocks."""

    failure_mode: ClassVar[FailureMode] = ZOMBIE_REQUESTS
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R06")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    gone_per_minute: float = sampled(1.5, 4.0, 2.5)
    """Callers of this replica that hang up in a minute; 182 zombies were reported on one server
    (sglang#36876)."""
    duration: float = sampled(1800.0, 3600.0, 2700.0)
    """Seconds until somebody restarts it. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        pod = world.pod_of(self.victim)
        if pod is None:
            return
        pod.engine.deaf = True
        if rng.random() >= self.gone_per_minute / 60.0 * world.spec.tick or elapsed == 0.0:
            return
        mine = [one for one in world.gateway.open.values() if one.backend is pod]
        if mine:
            world.gateway.leave(mine[int(rng.integers(len(mine)))], world.now)

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.deaf = False
            world.gateway.hang_up_on_zombies([pod.engine])

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
