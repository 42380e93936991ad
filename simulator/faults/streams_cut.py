"""F12: pods are ended faster than their answers are, and the streams break off."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.pods import GRACE
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import STREAMS_CUT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class StreamsCut(Fault):
    """A rollout with a grace period shorter than an answer: each pod drops what runs in it."""

    failure_mode: ClassVar[FailureMode] = STREAMS_CUT
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R24", "R17")
    pool: str = "chat-70b"
    grace: float = sampled(0.0, 2.0, 0.5)
    """Seconds a pod may go on; vLLM's own default ends it at once."""
    version: str = "0.32.1"
    """The revision that is rolled out."""
    duration: float = sampled(1500.0, 3000.0, 1800.0)
    """Seconds until the grace period is as before. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for pod in world.pods(self.pool):
            pod.grace = self.grace
        if elapsed == 0.0:
            world.rollout(self.pool, self.version, pause=30.0)

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.grace = GRACE

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
