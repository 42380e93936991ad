"""What befalls the product itself in the middle of a fault: gaps, restarts, samples that are late.

The same fault is drilled as without it, from the same seed, so that the two can be compared. The
seconds in which nobody could see anything are granted on top of the time that a fault allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Hardship:
    """One thing that befalls agent, server or the way between them."""

    name: str
    after: float
    """Seconds after the onset of the fault at which it begins."""
    seconds: float
    """How long it lasts; the rest of the case where it is infinite."""
    agent_down: bool = False
    """Nothing is read meanwhile."""
    agent_anew: bool = False
    """The agent is another process afterwards, and remembers nothing."""
    server_anew: bool = False
    """The server ends, is down meanwhile, and goes on from what lies on its disk."""
    delay: float = 0.0
    """Seconds by which samples come late meanwhile."""

    @property
    def blind(self) -> float:
        """Seconds in which nothing of the fault could be seen."""
        return self.delay or self.seconds

    @property
    def shown(self) -> bool:
        """Whether it can be looked at in the console of the server that it befalls."""
        return not self.server_anew


class Phase(Enum):
    """Where a hardship is."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(slots=True)
class Trial:
    """A hardship in one case, followed moment by moment."""

    hardship: Hardship
    at: float
    """When it begins, Unix seconds."""
    phase: Phase = Phase.BEFORE

    def enters(self, moment: float) -> tuple[Phase, ...]:
        """The phases that begin with *moment*: none at most moments."""
        begun: list[Phase] = []
        if self.phase is Phase.BEFORE and moment >= self.at:
            self.phase = Phase.DURING
            begun.append(self.phase)
        if self.phase is Phase.DURING and moment >= self.at + self.hardship.seconds:
            self.phase = Phase.AFTER
            begun.append(self.phase)
        return tuple(begun)

    @property
    def agent_down(self) -> bool:
        """Whether nothing is read now."""
        return self.phase is Phase.DURING and self.hardship.agent_down

    @property
    def server_down(self) -> bool:
        """Whether there is no server now."""
        return self.phase is Phase.DURING and self.hardship.server_anew


HARDSHIPS: Mapping[str, Hardship] = {
    one.name: one
    for one in (
        Hardship("gap", 30.0, 120.0, agent_down=True),
        Hardship("agent-restart", 45.0, 30.0, agent_down=True, agent_anew=True),
        Hardship("server-restart", 90.0, 45.0, server_anew=True),
        Hardship("late-samples", -300.0, float("inf"), delay=30.0),
    )
}
"""By name. Two minutes is what a rollout of a collector costs, 30 and 45 s the start of one
process; half a minute late is an OTel collector that batches and tries again. Our judgement."""


def known_hardship(name: str) -> str:
    """*name*, when there is a hardship of this name.

    Raises:
        ConfigError: With those that there are.
    """
    if name not in HARDSHIPS:
        raise ConfigError(f"no hardship {name!r}; known: {', '.join(HARDSHIPS)}")
    return name
