"""F51: several nodes are gone within two minutes, with all that ran on them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import node, replica
from simulator.fault import Fault, chosen, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import MASS_NODE_LOSS, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class MassNodeLoss(Fault):
    """A zone goes dark, or the owner of spot machines takes them back. Nothing was cordoned."""

    failure_mode: ClassVar[FailureMode] = MASS_NODE_LOSS
    detect_within: ClassVar[float] = 300.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R19", "R04")
    share: float = sampled(0.1, 0.5, 0.5)
    """Share of the nodes; never fewer than two of them."""
    spread: float = sampled(0.0, 90.0, 45.0)
    """Seconds between the first and the last."""
    how: str = chosen("unreachable", "reclaimed", default="unreachable")
    """Whether their objects stay and fall silent, or leave the cluster."""
    duration: float = sampled(1200.0, 3600.0, 1800.0)
    """Seconds until the nodes are there again. Our judgement."""
    places: tuple[str, ...] = ()
    """Names of the nodes; those with the fewest GPUs when empty."""
    held_by: tuple[str, ...] = ()
    """Entity ids of the replicas on them when it begins."""
    pools: tuple[str, ...] = ()
    """Names of the pools that lose replicas."""

    def aim(self, world: "World") -> Self:
        many = max(2, round(self.share * len(world.spec.nodes)))
        smallest = sorted(world.spec.nodes, key=lambda one: (one.gpus, one.name))
        places = self.places or tuple(one.name for one in smallest[:many])
        lost = [pod for pod in world.pods() if pod.node in places]
        return replace(
            self,
            places=places,
            held_by=tuple(pod.replica_id(world.spec.name) for pod in lost),
            pools=tuple(dict.fromkeys(pod.pool.name for pod in lost)),
        )

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for turn, name in enumerate(self.places):
            due = elapsed >= self.spread * turn / max(1, len(self.places) - 1)
            if due and not world.scheduling.silent(name):
                reclaimed = self.how == "reclaimed"
                world.scheduling.lose(world, name, world.now, reclaimed=reclaimed)

    def clear(self, world: "World") -> None:
        for name in self.places:
            world.scheduling.give_back(world, name, world.now)

    def entities(self) -> tuple[Entity, ...]:
        return (
            *(node(one) for one in self.places),
            *(pool_of(one) for one in self.pools),
            *(replica(one) for one in self.held_by),
        )
