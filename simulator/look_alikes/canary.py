"""B08: one replica of another version is tried with a few calls."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.routing import Trickle
from simulator.victims import pool_of
from vocabulary.entities import Change, Entity
from vocabulary.failure_modes import CANARY, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class Canary(Fault):
    """So few calls that its means and percentiles jump about, and nothing is wrong with it."""

    failure_mode: ClassVar[FailureMode] = CANARY
    benign: ClassVar[bool] = True
    pool: str = "code-8b"
    version: str = "0.33.0"
    share: float = sampled(0.01, 0.05, 0.03)
    """Share of the pool's calls."""
    duration: float = sampled(2400.0, 4800.0, 3600.0)
    """Seconds until it is taken away. Our judgement."""
    victim: str = ""
    """Entity id of the canary; born when it begins."""

    def aim(self, world: "World") -> Self:
        pod = world.start_pod(world.deployments[self.pool], world.now)
        if pod is None:
            return self  # no GPU to spare, no canary
        pod.version = self.version
        return replace(self, victim=pod.replica_id(world.spec.name))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        pod = world.pod_of(self.victim)
        if elapsed > 0.0 or pod is None:
            return
        world.gateway.trials[self.pool] = Trickle(pod.uid, self.share, rng)
        pool = pool_of(self.pool)
        what = f"canary {self.version} beside {world.deployments[self.pool].version}"
        world.note(Change(world.now, "rollout", pool, what, pool.id))

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        world.gateway.trials.pop(self.pool, None)
        if pod is not None:
            pod.drain(world.now)

    def entities(self) -> tuple[Entity, ...]:
        known = (replica(self.victim),) if self.victim else ()
        return (*known, pool_of(self.pool))
