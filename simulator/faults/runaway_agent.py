"""F30: an agent calls in a loop, its prompt growing with everything it has said before."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, log_sampled, sampled
from simulator.traffic import AgentLoop
from vocabulary.entities import Entity
from vocabulary.failure_modes import RUNAWAY_AGENT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class RunawayAgent(Fault):
    """One key, a steady beat, a prompt that grows to the limit, short answers."""

    failure_mode: ClassVar[FailureMode] = RUNAWAY_AGENT
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R20", "R07")
    history_days: ClassVar[float] = 14.0
    tenant: str = "code-assist"
    pool: str = "chat-70b"
    rate: float = log_sampled(0.25, 1.0, 0.6)
    """Calls a second; loops from 0.025/s are reported, the slow ones are cheap at these prices."""
    growth: float = sampled(0.02, 0.10, 0.05)
    """Relative growth of the prompt from call to call."""
    input_tokens: int = 3000
    """Prompt of the first call."""
    output_tokens: int = 70
    """Answer: a tool call and little else."""
    cached: float = 0.85
    """Share of the prompt in the prefix cache: most of it was sent before."""
    duration: float = sampled(7200.0, 39600.0, 10800.0)
    """Seconds until somebody stops it: 2 to 11 hours are reported."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        if elapsed == 0.0:
            longest = int(world.spec.pool(self.pool).engine.max_context * 0.9)
            world.traffic.extra.append(
                AgentLoop(
                    self.tenant,
                    self.pool,
                    1.0 / self.rate,
                    float(self.input_tokens),
                    self.growth,
                    longest,
                    self.output_tokens,
                    self.cached,
                    rng,
                )
            )

    def clear(self, world: "World") -> None:
        world.traffic.extra = [
            one
            for one in world.traffic.extra
            if not (isinstance(one, AgentLoop) and one.tenant == self.tenant)
        ]

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
