"""F32: one tenant's batch runs in the online lane and crowds the others out."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import TENANT_HOG, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class TenantHog(Fault):
    """Its calls and prompts grow until most tokens of the pool are its own; nothing stops it."""

    failure_mode: ClassVar[FailureMode] = TENANT_HOG
    detect_within: ClassVar[float] = 1500.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R05", "R07")
    history_days: ClassVar[float] = 14.0
    without_replicas: ClassVar[bool] = True
    tenant: str = "batch-eval"
    pool: str = "code-8b"
    share: float = sampled(0.65, 0.85, 0.75)
    """Share of the pool's tokens it takes; from 10 to 60 % and more is reported."""
    prompt_factor: float = 2.0
    """By how much its prompts grow."""
    duration: float = sampled(2700.0, 5400.0, 3600.0)
    """Seconds until it is held back. Our judgement."""
    factor: float = 0.0
    """By how much its calls grow; from the share and the traffic of the hour when 0."""

    def aim(self, world: "World") -> Self:
        if self.factor:
            return self
        times = np.array([world.now])
        own = others = 0.0
        for source in world.traffic.of(pool=self.pool):
            mine = source.stream.tenant == self.tenant
            prompts = float(source.trace.input_tokens.mean())
            tokens = prompts * (self.prompt_factor if mine else 1.0)
            tokens += float(source.trace.output_tokens.mean())
            if mine:
                own += float(source.rate(times)[0]) * tokens
            else:
                others += float(source.rate(times)[0]) * tokens
        return replace(self, factor=self.share / (1.0 - self.share) * others / max(own, 1e-9))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        for source in world.traffic.of(self.tenant, self.pool):
            source.rate_factor, source.prompt_factor = self.factor, self.prompt_factor

    def clear(self, world: "World") -> None:
        for source in world.traffic.of(self.tenant, self.pool):
            source.rate_factor = source.prompt_factor = 1.0

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant), pool_of(self.pool))
