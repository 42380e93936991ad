"""F26: a PCIe link was trained badly; packets are sent again, and weights load slowly over it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, chosen, log_sampled, sampled
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import SLOW_INTERCONNECT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class SlowInterconnect(Fault):
    """One GPU's link; decoding does not pass over it, so that only a new start shows its speed."""

    failure_mode: ClassVar[FailureMode] = SLOW_INTERCONNECT
    detect_within: ClassVar[float] = 3600.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R09", "R12", "R13")
    pool: str = chosen("chat-70b", "code-8b", default="code-8b")
    replays: float = log_sampled(8.0, 100.0, 20.0)
    """Packets sent again a second; 5 to 100 are reported."""
    slower: float = sampled(2.0, 4.0, 3.0)
    """Seconds that weights take to load over before: a quarter to a half of the speed is left."""
    duration: float = sampled(7200.0, 14_400.0, 10_800.0)
    """Seconds until the node is drained. Our judgement."""
    victim: str = ""
    """Uuid of the GPU; chosen when empty."""
    held_by: str = ""
    """Entity id of the replica that holds it when the fault begins."""

    def aim(self, world: "World") -> Self:
        holder = self.held_by or chosen_pod(world, self.pool, 0)
        pod = world.pod_of(holder)
        if self.victim or pod is None:
            return replace(self, held_by=holder)
        return replace(self, held_by=holder, victim=world.bank.places[pod.gpus[0]].uuid)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if self.victim:
            world.bank.pcie_replay_rate[world.bank.index_of(self.victim)] = self.replays
        pod = world.pod_of(self.held_by)
        if pod is not None:
            pod.load_factor = self.slower

    def clear(self, world: "World") -> None:
        if self.victim:
            world.bank.pcie_replay_rate[world.bank.index_of(self.victim)] = 0.0
        pod = world.pod_of(self.held_by)
        if pod is not None:
            pod.load_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        known = (gpu(self.victim),) if self.victim else ()
        return (*known, replica(self.held_by))
