"""F20: the route looks at prefixes and not at load, and most calls have the same prefix."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import LOAD_SKEW, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class LoadSkew(Fault):
    """Calls are dealt out by Zipf's law while their number stays the same."""

    failure_mode: ClassVar[FailureMode] = LOAD_SKEW
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R18", "R01")
    pool: str = "code-8b"
    exponent: float = sampled(1.4, 2.0, 1.7)
    """Of Zipf's law over the replicas; 1 to 2 is reported, below 1.4 three replicas barely tell."""
    duration: float = sampled(1800.0, 5400.0, 2700.0)
    """Seconds until the route looks at load again. Our judgement."""
    victim: str = ""
    """Entity id of the replica that drowns; chosen when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, 0))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        if elapsed > 0.0:
            return
        pod = world.pod_of(self.victim)
        if pod is not None:
            world.gateway.favour(self.pool, pod.uid, self.exponent, rng)

    def clear(self, world: "World") -> None:
        world.gateway.treat_alike(self.pool)

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
