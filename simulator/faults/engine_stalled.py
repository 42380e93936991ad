"""F01: no step ends any more while the health check stays green and calls keep coming."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import ENGINE_STALLED, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class EngineStalled(Fault):
    """A deadlock between scheduler and workers, as when one rank waits in a collective for ever."""

    failure_mode: ClassVar[FailureMode] = ENGINE_STALLED
    detect_within: ClassVar[float] = 360.0
    """Three to six minutes: two flat minutes must pass before a stall is told from a long step."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R02")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    spins: bool = True
    """Whether the GPUs show 100 % (a spinning collective) or 0 %."""
    duration: float = sampled(300.0, 1320.0, 900.0)
    """Seconds until somebody ends it; 5 to 22 minutes are reported. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.stalled, pod.engine.spins = True, self.spins

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.stalled = False
            pod.engine.abandon([])  # those whose callers hung up meanwhile

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim),)
