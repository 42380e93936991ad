"""F48: the rules by which running containers may open their GPUs are set anew, and forget them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import node, replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import CONTAINER_LOST_GPU, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class ContainerLostGpu(Fault):
    """A daemon reload on a node: engines there die together, and start anew in new containers.

    The container runtime grants devices by cgroup rules that systemd does not know of, and a
    reload of systemd drops what it does not know (gpu-operator#485, nvidia-container-toolkit#48).
    Boards and driver are well, and a container that starts later has its GPUs.
    """

    failure_mode: ClassVar[FailureMode] = CONTAINER_LOST_GPU
    detect_within: ClassVar[float] = 600.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R14")
    pool: str = "chat-70b"
    """Whose node it is: that of the pool's oldest ready replica."""
    every: float = sampled(900.0, 2400.0, 1500.0)
    """Seconds from one reload to the next, as by a timer of unattended upgrades. Our judgement."""
    spread: float = sampled(0.5, 5.0, 2.0)
    """Seconds within which each engine opens its device anew, and fails. Our judgement."""
    duration: float = sampled(1200.0, 3600.0, 2400.0)
    """Seconds until devices are granted in a way that systemd knows. Our judgement."""
    place: str = ""
    """Name of the node; chosen by pool when empty."""
    victims: tuple[str, ...] = ()
    """Entity ids of the replicas on it when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        pod = world.pod_of(chosen_pod(world, self.pool, 0))
        place = self.place or (pod.node if pod else "")
        hit = tuple(one.replica_id(world.spec.name) for one in world.pods() if one.node == place)
        return replace(self, place=place, victims=self.victims or hit)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        reloaded = world.now - elapsed % self.every
        for pod in world.pods():
            if pod.node != self.place or pod.stage is not Stage.READY:
                continue
            older = pod.engine.tally.started < reloaded
            turn = int(pod.uid[:4], 16) / 0xFFFF * self.spread
            if older and world.now - reloaded >= turn:
                pod.crash(world.now)

    def clear(self, world: "World") -> None:
        """Containers that run have their GPUs, and keep them."""

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.place), *(replica(one) for one in self.victims))
