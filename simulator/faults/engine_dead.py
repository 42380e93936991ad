"""F02: the engine dies, is started again, and dies again, with Kubernetes' growing pauses."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import ENGINE_DEAD, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class EngineDead(Fault):
    """An illegal memory access or a bad configuration that comes back after every start."""

    failure_mode: ClassVar[FailureMode] = ENGINE_DEAD
    detect_within: ClassVar[float] = 180.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R02", "R03")
    pool: str = "code-8b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    survives: float = sampled(3.0, 20.0, 8.0)
    """Seconds that a fresh process serves before it dies again. Our judgement."""
    xid: int = 31
    """NVIDIA Xid raised with the first death; 31 is a page fault of the application, 0 is none."""
    duration: float = sampled(600.0, 2400.0, 1200.0)
    """Seconds after which a start succeeds for good. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is None:
            return
        if elapsed == 0.0:
            pod.crash(world.now)
            if self.xid:
                world.bank.xid_events[pod.gpus[0]].append(self.xid)
        elif pod.stage is Stage.READY and world.now - pod.since >= self.survives:
            pod.crash(world.now)

    def clear(self, world: "World") -> None:
        """Nothing to undo: the next start lasts."""

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim),)
