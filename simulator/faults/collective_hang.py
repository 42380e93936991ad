"""F04: one rank never joins a collective, and all GPUs of the group wait at full utilisation."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu, replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod
from vocabulary.entities import Entity
from vocabulary.failure_modes import COLLECTIVE_HANG, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class CollectiveHang(Fault):
    """Every GPU shows 100 % and draws little; a watchdog ends the process after ten minutes."""

    failure_mode: ClassVar[FailureMode] = COLLECTIVE_HANG
    detect_within: ClassVar[float] = 240.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R01", "R02")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    effort: float = sampled(0.3, 0.4, 0.35)
    """What is left of the power; about a third is reported."""
    watchdog: float = 600.0
    """Seconds until the process ends itself: NCCL's default in PyTorch."""
    duration: float = sampled(600.0, 1200.0, 900.0)
    """Seconds until it is over. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""
    uuids: tuple[str, ...] = ()
    """Its GPUs."""

    def aim(self, world: "World") -> Self:
        victim = self.victim or chosen_pod(world, self.pool, self.ordinal)
        pod = world.pod_of(victim)
        held = tuple(world.bank.places[one].uuid for one in pod.gpus) if pod else ()
        return replace(self, victim=victim, uuids=held)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is None:
            return
        if elapsed < self.watchdog:
            pod.engine.stalled = pod.engine.spins = True
            self._set_effort(world, self.effort)
        elif pod.engine.stalled and pod.stage is Stage.READY:
            pod.engine.stalled = False
            self._set_effort(world, 1.0)
            pod.crash(world.now)

    def clear(self, world: "World") -> None:
        self._set_effort(world, 1.0)
        pod = world.pod_of(self.victim)
        if pod is not None and pod.engine.stalled:
            pod.engine.stalled = False
            pod.engine.abandon([])

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), *(gpu(one) for one in self.uuids))

    def _set_effort(self, world: "World", effort: float) -> None:
        for uuid in self.uuids:
            world.bank.effort[world.bank.index_of(uuid)] = effort
