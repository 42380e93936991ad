"""F54: the figures of a node's GPUs stand still while the boards work on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, node
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import STICKY_GPU_TELEMETRY, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class StickyGpuTelemetry(Fault):
    """A sampler hangs and is answered for out of its cache: every reading is an old one."""

    failure_mode: ClassVar[FailureMode] = STICKY_GPU_TELEMETRY
    detect_within: ClassVar[float] = 1800.0
    """A quarter of an hour of readings that are all one, and the work meanwhile must vary."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22", "R14")
    pool: str = "chat-70b"
    """Whose node it is: that of the pool's oldest ready replica."""
    share: float = sampled(0.25, 1.0, 1.0)
    """Share of the node's GPUs that are not read anew; one of them at least."""
    duration: float = sampled(2400.0, 6000.0, 3600.0)
    """Seconds until the sampler was started anew. Our judgement."""
    place: str = ""
    """Name of the node; chosen by pool when empty."""
    uuids: tuple[str, ...] = ()
    """The GPUs whose readings stick; chosen by node and share when empty."""

    def aim(self, world: "World") -> Self:
        pod = world.pod_of(chosen_pod(world, self.pool, 0))
        place = self.place or (pod.node if pod else "")
        there = [one.uuid for one in world.bank.places if one.node == place]
        hit = self.uuids or tuple(there[: max(1, round(self.share * len(there)))])
        return replace(self, place=place, uuids=hit)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            for uuid in self.uuids:
                world.bank.stick(world.bank.index_of(uuid))

    def clear(self, world: "World") -> None:
        for uuid in self.uuids:
            world.bank.stuck.pop(world.bank.index_of(uuid), None)

    def entities(self) -> tuple[Entity, ...]:
        return (node(self.place), *(gpu(one) for one in self.uuids))
