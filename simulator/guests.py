"""Somebody else's processes on GPUs that are given out in slots (time slicing).

While both have work, the driver lets them take turns of a few milliseconds and each has half of the
time; nothing keeps one from taking all that is left. MPS shares the SMs where time slicing shares
the time: what a process is left with is the same.
"""

from dataclasses import dataclass

import numpy as np

NAMESPACE = "lab"
MEMORY = 0.2
"""Share of device memory that a notebook with a small model in it holds. Our judgement."""
_PREFILL = 0.8
"""How much of its work is bound by tensor cores rather than by memory: training is, mostly."""
_BURST = 4.0
"""Seconds for which it works without a pause, on average. Our judgement."""


@dataclass(slots=True)
class Guest:
    """The other slot of one board."""

    name: str
    uid: str
    rng: np.random.Generator
    duty: float = 0.0
    """Share of time in which it has work for the GPU."""
    burst: float = _BURST
    memory: float = MEMORY
    prefill: float = _PREFILL
    works: bool = False
    """Whether it has work now."""
    worked: float = 0.0
    """Seconds of that since the board was looked at last."""
    taken: float = 0.0
    """Share of the board's time that it had when the board was looked at last."""
    left: float = 0.0
    """Share of the board's time that the other slot had."""
    _turns: float = 0.0
    """Seconds until it begins or ends to work."""

    def step(self, seconds: float) -> None:
        """Let time pass: bursts of work with pauses between them, both exponential."""
        if self.duty <= 0.0 or self.duty >= 1.0:
            self.works, self._turns = self.duty >= 1.0, 0.0
        else:
            self._turns -= seconds
            while self._turns <= 0.0:
                self.works = not self.works
                mean = self.burst if self.works else self.burst * (1.0 / self.duty - 1.0)
                self._turns += float(self.rng.exponential(mean))
        self.worked += seconds if self.works else 0.0

    def share(self, seconds: float, busy: float, prefill: float) -> tuple[float, float]:
        """The board's busy share of the last *seconds* and how much of it was prefill.

        *busy* and *prefill* are those of the other slot, which does not know that it had to wait.
        """
        own, self.worked = min(1.0, self.worked / seconds), 0.0
        turns = own * busy
        self.left, self.taken = busy - turns / 2.0, own - turns / 2.0
        both = self.left + self.taken
        if not both:
            return 0.0, 0.0
        return both, (self.left * prefill + self.taken * self.prefill) / both

    @property
    def leaves(self) -> float:
        """What the other slot has of the board's time now, while it has work."""
        return 0.5 if self.works else 1.0
