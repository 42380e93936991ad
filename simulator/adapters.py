"""LoRA adapters of one engine: some are loaded, and calls for the others wait their turn."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from simulator.requests import Request

_LOOKS = 256
"""Waiting calls that the scheduler looks at for one that can go ahead."""


@dataclass(frozen=True, slots=True)
class AdapterUse:
    """What adapters there are, and how many may be in a batch."""

    slots: int = 4
    """`max_loras`: adapters in one batch, and adapters that stay loaded."""
    asked: int = 3
    """Adapters that callers name, all alike."""
    share: float = 0.7
    """Share of calls that name one; the others ask the base model."""
    load_seconds: float = 0.8
    """What loading one takes, in which no step runs; 0.5 to 3 s are reported."""

    def drawn(self, rng: np.random.Generator) -> int:
        """The adapter of the next call, from 1; 0 is the base model."""
        return int(rng.integers(1, self.asked + 1)) if rng.random() < self.share else 0


@dataclass(slots=True)
class Adapters:
    """The slots of one engine."""

    use: AdapterUse
    loaded: list[int] = field(default_factory=list)
    """Least lately used first."""

    def next_in_line(self, waiting: Iterable[Request], inside: Iterable[Request]) -> Request | None:
        """The first that finds a slot beside those in the batch; vLLM passes over the others."""
        running = in_use(inside)
        for request in islice(waiting, _LOOKS):
            if not request.adapter or request.adapter in running or len(running) < self.use.slots:
                return request
        return None

    def load(self, adapter: int, inside: Iterable[Request]) -> float:
        """Have *adapter* in a slot; seconds that took."""
        if not adapter:
            return 0.0
        if adapter in self.loaded:
            self.loaded.remove(adapter)
            self.loaded.append(adapter)
            return 0.0
        if len(self.loaded) >= self.use.slots:
            running = in_use(inside)
            idle = [one for one in self.loaded if one not in running]
            self.loaded.remove(idle[0] if idle else self.loaded[0])
        self.loaded.append(adapter)
        return self.use.load_seconds


def in_use(requests: Iterable[Request]) -> set[int]:
    """Adapters of *requests*."""
    return {request.adapter for request in requests} - {0}
