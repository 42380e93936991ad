"""F36: a rule or an alias sends calls to a model that costs several times as much."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import DEAR_MODEL_MIX, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class DearModelMix(Fault):
    """Part of one tenant's calls to a cheap pool goes to the dear one; their number stays."""

    failure_mode: ClassVar[FailureMode] = DEAR_MODEL_MIX
    detect_within: ClassVar[float] = 3600.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R18", "R03")
    without_replicas: ClassVar[bool] = True
    tenant: str = "code-assist"
    pool: str = "code-8b"
    """Where calls leave."""
    to: str = "chat-70b"
    """Where they arrive, at six times the price."""
    share: float = sampled(0.25, 0.6, 0.4)
    """Share of the calls that moves; 10 to 60 % are reported, and below a quarter a six times
    dearer model is not yet half as dear again."""
    duration: float = sampled(5400.0, 10_800.0, 7200.0)
    """Seconds until the rule is mended. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed == 0.0:
            world.traffic.move(self.tenant, self.pool, self.to, self.share)

    def clear(self, world: "World") -> None:
        world.traffic.move_back(self.tenant)

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant), pool_of(self.to))
