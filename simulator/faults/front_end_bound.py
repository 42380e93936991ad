"""F17: one thread turns text into tokens, and it is at its limit before the GPUs are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.steady import demand
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import FRONT_END_BOUND, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class FrontEndBound(Fault):
    """Calls wait before the scheduler, where no queue gauge sees them, while GPUs have time."""

    failure_mode: ClassVar[FailureMode] = FRONT_END_BOUND
    detect_within: ClassVar[float] = 1200.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R17",)
    pool: str = "code-8b"
    busy: float = sampled(0.92, 1.05, 1.0)
    """Work for the thread over the time it has: about one, or nobody would call it bound."""
    duration: float = sampled(1800.0, 3600.0, 2700.0)
    """Seconds until more servers share the work. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pods = world.pods(self.pool)
        asked = demand(world.traffic.of(pool=self.pool), np.array([world.now]), len(pods) or 1)
        tokens = float(asked.input_tokens[0] + asked.output_tokens[0])
        for pod in pods:
            if elapsed == 0.0:
                pod.engine.front_end.seconds_per_token = self.busy / max(1.0, tokens)

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.engine.front_end.seconds_per_token = 0.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
