"""F08: one engine answers noise with status 200, on and on to the length limit."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import GARBAGE_OUTPUT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GarbageOutput(Fault):
    """Corrupted state turns logits to noise; no answer finds its end, and nothing fails."""

    failure_mode: ClassVar[FailureMode] = GARBAGE_OUTPUT
    detect_within: ClassVar[float] = 600.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R02")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    share: float = sampled(0.9, 1.0, 0.95)
    """Share of answers that are noise; reports speak of nearly all until a restart."""
    duration: float = sampled(1800.0, 5400.0, 3600.0)
    """Seconds until somebody restarts it. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.garbled = self.share

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            pod.engine.garbled = 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
