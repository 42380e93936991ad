"""B05: a pool is given another model: old series end, new ones begin at other levels, for good."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import MODEL_SWAP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ModelSwap(Fault):
    """A bigger model: each step is slower and each answer longer, and that is as meant."""

    failure_mode: ClassVar[FailureMode] = MODEL_SWAP
    benign: ClassVar[bool] = True
    pool: str = "edge-3b"
    model: str = "edge-4b"
    """Name under which the new model is served."""
    step_factor: float = sampled(1.2, 1.8, 1.4)
    """How much slower a step of the new model is."""
    output_factor: float = sampled(0.7, 1.6, 1.3)
    """How much longer its answers are."""
    duration: float = 1800.0
    """Seconds for which the swap counts as news; it is never undone."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed > 0.0:
            return
        deployment = world.deployments[self.pool]
        old = deployment.speed
        speed = replace(
            old,
            base=old.base * self.step_factor,
            per_request=old.per_request * self.step_factor,
            per_prefill_token=old.per_prefill_token * self.step_factor,
        )
        world.rollout(self.pool, deployment.version, model=self.model, speed=speed)
        for source in world.traffic.of(pool=self.pool):
            source.output_factor = self.output_factor

    def clear(self, world: "World") -> None:
        """The new model stays."""

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
