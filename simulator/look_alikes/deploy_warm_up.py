"""B01: a rollout of a revision that is no worse; its pods are slow until their caches are warm."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, chosen, sampled
from simulator.pods import Stage
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import DEPLOY_WARM_UP, FailureMode

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class DeployWarmUp(Fault):
    """Graphs are captured and caches filled while the first calls already come."""

    failure_mode: ClassVar[FailureMode] = DEPLOY_WARM_UP
    benign: ClassVar[bool] = True
    pool: str = chosen("chat-70b", "code-8b", default="code-8b")
    version: str = "0.32.1"
    """The revision that is rolled out."""
    slowdown: float = sampled(2.0, 5.0, 3.0)
    """How much slower a step of a cold pod is at first."""
    warm: float = sampled(120.0, 600.0, 240.0)
    """Seconds until a fresh pod is as fast as the others; 2 to 10 minutes are usual."""
    duration: float = 2700.0
    """Seconds for which the rollout counts as news; it is never undone."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.rollout(self.pool, self.version, pause=60.0)
        for pod in world.pods(self.pool):
            if pod.version == self.version and pod.stage is Stage.READY:
                cold = max(0.0, 1.0 - (world.now - pod.since) / self.warm)
                pod.engine.slowdown = 1.0 + (self.slowdown - 1.0) * cold

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.engine.slowdown = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
