"""An agent that reads itself again and again, whoever has answered: the plainest runaway."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from simulator import spans
from simulator.calls import Answer, Arrival
from simulator.spans import Place, SpanLog


@dataclass(slots=True)
class AgentLoop:
    """One key calling in a steady beat with a prompt that grows each time it reads itself."""

    tenant: str
    pool: str
    interval: float
    """Seconds between calls."""
    input_tokens: float
    growth: float
    """Relative growth of the prompt from call to call."""
    longest: int
    output_tokens: int
    cached: float
    rng: np.random.Generator
    log: SpanLog
    next_at: float = -1.0
    began: float = 0.0
    place: Place = field(init=False)
    _ids: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        (self._ids,) = self.rng.spawn(1)  # what is asked when does not depend on it
        self.place = Place(self._ids.bytes(16), self._ids.bytes(8))

    def until(self, start: float, end: float) -> Iterator[Arrival]:
        """The calls in [start, end)."""
        if self.next_at < 0:
            self.next_at = self.began = start
        while self.next_at < end:
            yield Arrival(
                max(start, self.next_at),
                self.tenant,
                self.pool,
                min(self.longest, int(self.input_tokens)),
                self.output_tokens,
                self.cached,
                self,
            )
            self.input_tokens = min(float(self.longest), self.input_tokens * (1 + self.growth))
            self.next_at += self.interval * float(self.rng.uniform(0.9, 1.1))

    def hear(self, answer: Answer) -> None:
        """It goes on at its beat whatever the answer is, and traces it."""
        place = Place(self.place.trace, self._ids.bytes(8), self.place.span)
        self.log.add(spans.chat(place, answer))

    def stop(self, at: float) -> None:
        """Somebody ends it: only now does its own span end."""
        named = f"{self.tenant}-loop", self.place.trace.hex()[:16]
        times = self.began, at
        self.log.add(spans.agent(self.place, self.tenant, named, times, "CancelledError"))
