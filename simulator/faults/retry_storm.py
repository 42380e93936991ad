"""F11: time-outs shorter than the work, retries on top, and the old work going on underneath."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import RETRY_STORM, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class RetryStorm(Fault):
    """A gateway configured to be impatient: attempts = 1 + retries · P(time-out)."""

    failure_mode: ClassVar[FailureMode] = RETRY_STORM
    detect_within: ClassVar[float] = 600.0
    """Five minutes once attempts exceed twice the operations, and the feedback needs some."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R05",)
    without_replicas: ClassVar[bool] = True
    pool: str = "chat-70b"
    retries: int = sampled(2, 8, 4)
    """Tries after the first; layered retry policies multiply to this."""
    timeout: float = sampled(6.0, 12.0, 8.0)
    """Seconds the gateway waits; many answers of this model take longer than that."""
    duration: float = sampled(900.0, 2400.0, 1500.0)
    """Seconds until the policy is put back. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        policy = world.gateway.policies[self.pool]
        policy.retries, policy.timeout, policy.hangs_up = self.retries, self.timeout, False

    def clear(self, world: "World") -> None:
        spec = world.spec.pool(self.pool)
        policy = world.gateway.policies[self.pool]
        policy.retries, policy.timeout, policy.hangs_up = spec.retries, spec.timeout, True
        world.gateway.hang_up_on_zombies(pod.engine for pod in world.pods(self.pool))

    def entities(self) -> tuple[Entity, ...]:
        return (route(self.pool), pool_of(self.pool))
