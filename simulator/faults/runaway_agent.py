"""F30: an agent calls in a loop, its prompt growing with everything it has said before."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.agent_loop import AgentLoop
from simulator.agent_runs import AgentSource
from simulator.fault import Fault, log_sampled, sampled
from vocabulary.entities import Entity
from vocabulary.failure_modes import RUNAWAY_AGENT, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World

_CALLS_OF_A_RUN = 0.15
"""Calls a second of one run that finds no end: an answer and a tool take some seven seconds."""


@dataclass(frozen=True, slots=True)
class RunawayAgent(Fault):
    """One key, prompts that grow to the limit, short answers.

    A tenant that has runs of agents gets some of them that find no end; any other a loop that
    calls in a steady beat.
    """

    failure_mode: ClassVar[FailureMode] = RUNAWAY_AGENT
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R20", "R07")
    history_days: ClassVar[float] = 14.0
    without_replicas: ClassVar[bool] = True
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
        if elapsed > 0.0:
            return
        agents = self._agents(world)
        if agents:
            for _ in range(max(1, round(self.rate / _CALLS_OF_A_RUN))):
                agents[0].begin(world.now, endless=True)
        else:
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
                    world.traffic.spans,
                )
            )

    def clear(self, world: "World") -> None:
        for agent in self._agents(world):
            agent.stop(world.now)
        loops = [one for one in world.traffic.extra if isinstance(one, AgentLoop)]
        for loop in loops:
            if loop.tenant == self.tenant:
                loop.stop(world.now)
                world.traffic.extra.remove(loop)

    def _agents(self, world: "World") -> list[AgentSource]:
        found = world.traffic.of(self.tenant, self.pool)
        return [one for one in found if isinstance(one, AgentSource)]

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
