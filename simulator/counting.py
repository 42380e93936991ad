"""A histogram that counts fast and knows nothing of how it is shown."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS_TO_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
SECONDS_PER_TOKEN = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
)  # fmt: skip
SECONDS_OF_REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0,
    240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
TOKENS_OF_STEP = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
FEW = (1, 2, 5, 10, 20)
PREEMPTIONS = (1, 2, 3, 4, 5, 10, 20)
SECONDS_OF_HTTP = (0.1, 0.5, 1.0)
SECONDS_OF_HTTP_FINE = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0,
    7.5, 10.0, 30.0, 60.0,
)  # fmt: skip
SECONDS_AT_GATEWAY = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    420.0, 600.0,
)  # fmt: skip
SECONDS_PER_TOKEN_AT_GATEWAY = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
SECONDS_OF_TRANSFER = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 5.0)
BYTES_OF_TRANSFER = tuple(2.0**power for power in range(11, 35, 2))


def one_two_five(limit: int) -> tuple[int, ...]:
    """1, 2, 5, 10, … up to *limit*: how vLLM buckets token counts under a context length."""
    bounds: list[int] = []
    decade = 1
    while decade <= limit:
        bounds.extend(step * decade for step in (1, 2, 5) if step * decade <= limit)
        decade *= 10
    return tuple(bounds)


class Histogram:
    """Counts of observations between bounds; a value equal to a bound belongs below it."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(float(bound) for bound in bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count *value*, *times* over."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    @property
    def count(self) -> int:
        """How many observations."""
        return sum(self.counts)

    def cumulated(self) -> list[int]:
        """Observations at or below each bound, the last one being all of them."""
        running, out = 0, []
        for count in self.counts:
            running += count
            out.append(running)
        return out

    def multiply(self, factor: int) -> None:
        """Pretend that everything so far happened *factor* times."""
        self.counts = [count * factor for count in self.counts]
        self.total *= factor
