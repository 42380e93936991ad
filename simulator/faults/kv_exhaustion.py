"""F15: prompts grow until the KV cache is full and requests are preempted and computed again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.steady import demand, steady
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import KV_EXHAUSTION, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class KvExhaustion(Fault):
    """Longer prompts and longer answers on a cache that part of was given away."""

    failure_mode: ClassVar[FailureMode] = KV_EXHAUSTION
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R05", "R04")
    pool: str = "chat-70b"
    prompt_factor: float = sampled(2.0, 3.0, 2.5)
    """By how much prompts grow; two- to fourfold is reported with preemption storms."""
    output_factor: float = sampled(1.3, 1.8, 1.5)
    """By how much answers grow: preemption hits requests that grow after they were admitted."""
    pressure: float = sampled(0.6, 0.8, 0.7)
    """Mean need for cache over what is left of it: past one, queues grow without end."""
    duration: float = sampled(1200.0, 3600.0, 2400.0)
    """Seconds until prompts are as before. Our judgement."""
    kv_share: float = 0.0
    """What is left of the cache, as after a start with a lower memory share; from the pressure and
    the traffic of the hour when 0."""
    victims: tuple[str, ...] = ()
    """Entity ids of the pool's replicas when it begins; chosen when empty."""

    def aim(self, world: "World") -> Self:
        hit = self.victims or tuple(
            pod.replica_id(world.spec.name) for pod in world.pods(self.pool)
        )
        return replace(self, victims=hit, kv_share=self.kv_share or self._share_left(world))

    def _share_left(self, world: "World") -> float:
        """The share of the cache that gives the pressure under the traffic of the hour."""
        spec = world.spec.pool(self.pool)
        most = spec.scaling.most if spec.scaling else spec.replicas  # scaling out must not mend it
        asked = demand(
            world.traffic.of(pool=self.pool),
            np.array([world.now]),
            most,
            prompt_factor=self.prompt_factor,
            output_factor=self.output_factor,
        )
        need = float(steady(spec.engine, asked).kv_tokens[0]) / self.pressure
        least = 1.1 * spec.engine.max_context  # one long request must always fit
        return min(1.0, max(need, least) / spec.engine.kv_tokens)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(pool=self.pool):
            source.prompt_factor, source.output_factor = self.prompt_factor, self.output_factor
        for pod in world.pods(self.pool):
            pod.engine.kv_share = self.kv_share

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(pool=self.pool):
            source.prompt_factor = source.output_factor = 1.0
        for pod in world.pods(self.pool):
            pod.engine.kv_share = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool), *(replica(one) for one in self.victims))
