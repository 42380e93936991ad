"""F31: a key was stolen and sold: many strangers call the dearest model with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fleet.identity import tenant
from simulator.fault import Fault, log_sampled, sampled
from simulator.traffic import Poisson
from vocabulary.entities import Entity
from vocabulary.failure_modes import LEAKED_KEY, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class LeakedKey(Fault):
    """From one minute to the next one key's calls multiply, at random moments, all day alike."""

    failure_mode: ClassVar[FailureMode] = LEAKED_KEY
    detect_within: ClassVar[float] = 600.0
    severity: ClassVar[Severity] = Severity.CRITICAL
    first_cards: ClassVar[tuple[str, ...]] = ("R07", "R08")
    history_days: ClassVar[float] = 14.0
    without_replicas: ClassVar[bool] = True
    tenant: str = "code-assist"
    pool: str = "chat-70b"
    """The dearest model that the key may call."""
    factor: float = log_sampled(20.0, 60.0, 30.0)
    """Calls over what the key usually sends there. Up to a hundred is reported; more than sixty
    of these no pool of this cluster could answer."""
    input_tokens: int = 600
    """Mean prompt: strangers chat. Our judgement."""
    output_tokens: int = 200
    duration: float = sampled(3600.0, 14_400.0, 7200.0)
    """Seconds until the key is blocked. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        if elapsed > 0.0:
            return
        streams = [one.stream for one in world.traffic.of(self.tenant, self.pool)]
        usual = sum(one.rate / one.voices for one in streams)
        world.traffic.extra.append(
            Poisson(
                self.tenant, self.pool, self.factor * usual,
                self.input_tokens, self.output_tokens, 0.0, rng, spread=0.8,
            )
        )  # fmt: skip

    def clear(self, world: "World") -> None:
        world.traffic.extra = [
            one
            for one in world.traffic.extra
            if not (isinstance(one, Poisson) and one.tenant == self.tenant)
        ]

    def entities(self) -> tuple[Entity, ...]:
        return (tenant(self.tenant),)
