"""F55: an engine counts no request that was broken off, and callers see them fail."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import route
from simulator.fault import Fault, sampled
from simulator.requests import Phase
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import FAILURES_UNDERCOUNTED, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class FailuresUndercounted(Fault):
    """Deadlines end calls half-way, and their requests leave the engine without a trace."""

    failure_mode: ClassVar[FailureMode] = FAILURES_UNDERCOUNTED
    detect_within: ClassVar[float] = 1800.0
    """Twenty minutes of calls, so that those lost are more than what is under way anyhow."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R22",)
    pool: str = "code-8b"
    failed_per_minute: float = sampled(5.0, 10.0, 7.0)
    """Attempts whose deadline ends them in the middle of their answer."""
    duration: float = sampled(2400.0, 5400.0, 3600.0)
    """Seconds until the deadlines are mended. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for pod in world.pods(self.pool):
            pod.engine.tally.forgets_aborts = True
        if rng.random() >= self.failed_per_minute / 60.0 * world.spec.tick:
            return
        half_way = [
            one
            for one in world.gateway.open.values()
            if one.call.pool == self.pool
            and one.request is not None
            and one.request.phase is Phase.DECODE
        ]
        if half_way:
            world.gateway.give_up(half_way[int(rng.integers(len(half_way)))], world.now)

    def clear(self, world: "World") -> None:
        for pod in world.pods(self.pool):
            pod.engine.tally.forgets_aborts = False

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), route(self.pool))
