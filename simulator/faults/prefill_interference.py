"""F16: a few very long prompts share their steps with everybody who is decoding."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, sampled
from simulator.traffic import Poisson
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import PREFILL_INTERFERENCE, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class PrefillInterference(Fault):
    """A step budget that was raised lets a whole prompt into one step: all others wait for it."""

    failure_mode: ClassVar[FailureMode] = PREFILL_INTERFERENCE
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R17", "R18")
    pool: str = "code-8b"
    tenant: str = "batch-eval"
    share: float = sampled(0.01, 0.03, 0.02)
    """Share of calls that are so long; one to three in a hundred."""
    tokens: int = 28_000
    """Tokens of a long prompt: near the context length of the pool."""
    step_tokens: int = 32_768
    """`max_num_batched_tokens` as it was raised."""
    duration: float = sampled(2400.0, 5400.0, 3600.0)
    """Seconds until the budget is as before. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        for pod in world.pods(self.pool):
            if pod.engine.model.max_batched_tokens != self.step_tokens:
                pod.engine.model = replace(pod.engine.model, max_batched_tokens=self.step_tokens)
        if elapsed == 0.0:
            now = np.array([world.now])
            rate = sum(float(one.rate(now)[0]) for one in world.traffic.of(pool=self.pool))
            world.traffic.extra.append(
                Poisson(self.tenant, self.pool, self.share * rate, self.tokens, 200, 0.0, rng)
            )

    def clear(self, world: "World") -> None:
        world.traffic.extra[:] = [
            one
            for one in world.traffic.extra
            if not (isinstance(one, Poisson) and one.input_tokens == self.tokens)
        ]
        for pod in world.pods(self.pool):
            pod.engine.model = pod.pool.engine

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
