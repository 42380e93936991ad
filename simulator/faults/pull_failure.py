"""F49: new pods cannot pull their image, while those that run go on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.fault import Fault, chosen, sampled
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import PULL_FAILURE, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World

_WHY = {
    "rate": "toomanyrequests: You have reached your pull rate limit.",
    "auth": "failed to authorize: failed to fetch anonymous token: 401 Unauthorized",
    "missing": "manifest unknown: manifest unknown",
}


@dataclass(frozen=True, slots=True)
class PullFailure(Fault):
    """A registry refuses: its rate limit is reached, a token has expired, or a tag is missing."""

    failure_mode: ClassVar[FailureMode] = PULL_FAILURE
    detect_within: ClassVar[float] = 900.0
    """Ten minutes without an image, and the start of the first new pod."""
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R16", "R24", "R03")
    pool: str = "code-8b"
    why: str = chosen("rate", "auth", "missing", default="rate")
    """What the registry says."""
    act: str = chosen("rollout", "scale", default="rollout")
    """Who asks for new pods."""
    duration: float = sampled(1800.0, 4800.0, 3000.0)
    """Seconds until the image can be pulled. Our judgement."""

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        if elapsed > 0.0:
            return
        world.scheduling.unpullable[self.pool] = _WHY[self.why]
        if self.act == "rollout":
            world.rollout(self.pool, "0.33.0")
        else:
            more = world.deployments[self.pool].replicas + 1
            world.scale(self.pool, more, world.now)

    def clear(self, world: "World") -> None:
        world.scheduling.unpullable.pop(self.pool, None)

    def entities(self) -> tuple[Entity, ...]:
        return (pool_of(self.pool),)
