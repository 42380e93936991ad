"""F47: the device plugin of a node offers fewer GPUs than there are, and new pods find none."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import node
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import DEVICE_PLUGIN_BROKEN, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class DevicePluginBroken(Fault):
    """A driver that does not fit its library, or a plugin that died: pods that run go on."""

    failure_mode: ClassVar[FailureMode] = DEVICE_PLUGIN_BROKEN
    detect_within: ClassVar[float] = 900.0
    """Ten minutes of fewer GPUs than there are: a plugin that restarts offers none for a moment."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R14",)
    pool: str = "chat-70b"
    """Whose node it is: that of the pool's oldest ready replica."""
    share: float = sampled(0.1, 1.0, 1.0)
    """Share of the node's GPUs that are not offered; one of them at least."""
    duration: float = sampled(1800.0, 4800.0, 3000.0)
    """Seconds until the plugin was mended. Our judgement."""
    place: str = ""
    """Name of the node; chosen by pool when empty."""

    def aim(self, world: "World") -> Self:
        pod = world.pod_of(chosen_pod(world, self.pool, 0))
        return replace(self, place=self.place or (pod.node if pod else ""))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0 and self.place:
            there = sum(place.node == self.place for place in world.bank.places)
            withheld = max(1, round(self.share * there))
            world.scheduling.offer(world, self.place, withheld, world.now)

    def clear(self, world: "World") -> None:
        if self.place:
            world.scheduling.offer(world, self.place, 0, world.now)

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.place),)
