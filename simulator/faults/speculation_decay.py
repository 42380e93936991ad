"""F28: the draft model is accepted less and less."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.drafting import Drafting
from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import SPECULATION_DECAY, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class SpeculationDecay(Fault):
    """Draft tokens that the model used to accept are thrown away."""

    failure_mode: ClassVar[FailureMode] = SPECULATION_DECAY
    detect_within: ClassVar[float] = 3600.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R17", "R02")
    only_on: ClassVar[str] = "drafting"
    needs: ClassVar[str] = "drafting"
    pool: str = "chat-70b"
    accepted: float = sampled(0.1, 0.35, 0.2)
    """Chance that a drafted token is still taken at the end; usually it is 0.7."""
    ramp: float = sampled(300.0, 1200.0, 600.0)
    """Seconds until it has fallen that far: traffic drifts away from what the draft has learnt."""
    duration: float = sampled(3600.0, 5400.0, 4500.0)
    """Seconds until the draft is trained anew. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        usual = world.spec.pool(self.pool).drafting
        if usual is None:
            return
        share = min(1.0, elapsed / self.ramp)
        now = usual.accepted + share * (min(usual.accepted, self.accepted) - usual.accepted)
        self._set(world, replace(usual, accepted=now))

    def clear(self, world: "World") -> None:
        self._set(world, world.spec.pool(self.pool).drafting)

    def _set(self, world: "World", drafting: Drafting | None) -> None:
        for pod in world.pods(self.pool):
            pod.engine.drafting = drafting

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
