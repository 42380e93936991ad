"""F45: a node's cooling or power fails, and its GPUs are braked together."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, node, replica
from simulator.fault import Fault, chosen, sampled
from simulator.gpus import HW_POWER_BRAKE, HW_THERMAL, SW_THERMAL
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import GPU_THROTTLING, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


_BITS = {"sw_thermal": SW_THERMAL, "hw_thermal": HW_THERMAL, "hw_power_brake": HW_POWER_BRAKE}


@dataclass(frozen=True, slots=True)
class GpuThrottling(Fault):
    """A fan wall or a power shelf fails: temperatures climb, clocks fall, on most of a node."""

    failure_mode: ClassVar[FailureMode] = GPU_THROTTLING
    detect_within: ClassVar[float] = 1200.0
    """Ten minutes once the brakes are on, and they come on over the ramp."""
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R05", "R04", "R13")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Whose node it is: which of the pool's ready replicas, oldest first."""
    share: float = sampled(0.5, 1.0, 1.0)
    """Share of the node's GPUs that are hit."""
    clock_share: float = sampled(0.5, 0.9, 0.7)
    """What is left of the SM clock."""
    heat: float = sampled(82.0, 90.0, 87.0)
    """Temperature they settle at, °C; ten to twenty degrees above usual are reported."""
    ramp: float = sampled(300.0, 720.0, 480.0)
    """Seconds until the brakes are full on."""
    reason: str = chosen("sw_thermal", "hw_thermal", "hw_power_brake", default="hw_thermal")
    """Which brake."""
    duration: float = sampled(2400.0, 5400.0, 3600.0)
    """Seconds until cooling or power is back. Our judgement."""
    place: str = ""
    """Name of the node; that of the pool's replica when empty."""
    victims: tuple[str, ...] = ()
    """Uuids of the GPUs that are hit."""
    held_by: tuple[str, ...] = ()
    """Entity ids of the replicas on the node when the fault begins."""

    def aim(self, world: "World") -> Self:
        pod = world.pod_of(chosen_pod(world, self.pool, self.ordinal))
        place = self.place or (pod.node if pod else "")
        here = [one for one in world.bank.places if one.node == place]
        hit = here[: max(2, round(self.share * len(here)))]
        held = tuple(one.replica_id(world.spec.name) for one in world.pods() if one.node == place)
        return replace(self, place=place, victims=tuple(one.uuid for one in hit), held_by=held)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        progress = min(1.0, elapsed / self.ramp)
        braked = max(0.0, 2.0 * progress - 1.0)  # once it is hot, in the second half of the ramp
        for uuid in self.victims:
            at = world.bank.index_of(uuid)
            if self.reason != "hw_power_brake":
                world.bank.forced_heat[at] = self.heat
            world.bank.clock_share[at] = 1.0 - braked * (1.0 - self.clock_share)
            world.bank.brake[at] = _BITS[self.reason] if braked > 0.0 else 0

    def clear(self, world: "World") -> None:
        for uuid in self.victims:
            at = world.bank.index_of(uuid)
            world.bank.forced_heat[at] = np.nan
            world.bank.clock_share[at] = 1.0
            world.bank.brake[at] = 0

    def entities(self) -> tuple[Entity, ...]:
        return (
            node(self.place),
            *(gpu(one) for one in self.victims),
            *(replica(one) for one in self.held_by),
        )
