"""F46: a pool asks for one more replica, and no node has the GPUs for it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import POD_PENDING, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World

OTHER_TEAM = "00000000-0000-4000-a000-00000000c0de"
"""Uid of the pods of another team, which we neither read nor serve."""


@dataclass(frozen=True, slots=True)
class PodPending(Fault):
    """Another team's jobs hold the spare GPUs, at most so many being left that they do not do."""

    failure_mode: ClassVar[FailureMode] = POD_PENDING
    detect_within: ClassVar[float] = 1200.0
    """Fifteen minutes of waiting are everyday life: nodes are provisioned that slowly."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R04",)
    pool: str = "chat-70b"
    more: int = sampled(1, 2, 1)
    """Replicas asked for beyond those there are."""
    duration: float = sampled(2400.0, 5400.0, 3600.0)
    """Seconds until the other team's jobs are over. Our judgement."""
    taken: tuple[int, ...] = ()
    """Positions of the GPUs that the other team holds; chosen when empty."""
    before: int = 0
    """Replicas that were asked for when it began."""

    def aim(self, world: "World") -> Self:
        spec = world.spec.pool(self.pool)
        left, taken = {one.name: spec.gpus_per_replica - 1 for one in world.spec.nodes}, []
        for position, place in enumerate(world.bank.places):
            if place.model.name == spec.gpu.name and not world.bank.holders[position]:
                if left[place.node] > 0:
                    left[place.node] -= 1  # as in a cluster with the GPUs scattered over nodes
                else:
                    taken.append(position)
        before = world.deployments[self.pool].replicas
        return replace(self, taken=self.taken or tuple(taken), before=before)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed > 0.0:
            return
        for position in self.taken:
            world.bank.holders[position] = OTHER_TEAM
            world.bank.memory_share[position] = 0.5
        world.scale(self.pool, self.before + self.more, world.now)

    def clear(self, world: "World") -> None:
        for position in self.taken:
            world.bank.holders[position] = ""
            world.bank.memory_share[position] = 0.006

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
