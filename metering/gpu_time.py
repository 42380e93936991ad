"""GPU time: how long which pool held which GPU, as seen; what nobody saw is not invented."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import isnan

from metering.money import DIVIDING, counted
from vocabulary.samples import Labels, Sample, labels_of

MAX_GAP_SECONDS = 300.0
"""Longest time between two sightings that counts as held throughout: Prometheus' lookback."""
_CHARGED_TO = ("cluster", "namespace", "model", "pool")
_PLACES = Decimal("1e-18")


@dataclass(frozen=True, slots=True)
class Held:
    """GPU seconds one pool has just been seen to have held."""

    charged_to: Labels
    gpu: str
    seconds: Decimal
    at: float


class GpuClock:
    """Turns sightings of allocations into held seconds.

    A GPU that several replicas share is divided evenly among them.
    """

    def __init__(self, max_gap_seconds: float = MAX_GAP_SECONDS) -> None:
        self.max_gap_seconds = max_gap_seconds
        self._seen: dict[Labels, float] = {}

    def held(self, allocations: Iterable[Sample]) -> list[Held]:
        """Seconds since each allocation was last seen; none at its first sighting."""
        batch = list(allocations)
        holders = Counter(s.series.label("gpu") for s in batch if s.value > 0)
        found = []
        for series, value, at in batch:
            before = self._seen.pop(series.labels, None)
            if value > 0:
                self._seen[series.labels] = at
            elapsed = 0.0 if before is None else at - before
            if not 0 < elapsed <= self.max_gap_seconds or isnan(value) or value <= 0:
                elapsed = 0.0
            gpu = series.label("gpu")
            if value > 0:
                seconds = DIVIDING.divide(counted(round(elapsed, 3)), Decimal(holders[gpu]))
                found.append(Held(charged_to(series.labels), gpu, seconds.quantize(_PLACES), at))
        return found

    def place(self, labels: Labels, at: float) -> None:
        """Go on from a sighting that history ends with."""
        self._seen[labels] = at


def charged_to(labels: Labels) -> Labels:
    """Labels of the cost that an allocation makes."""
    return labels_of((name, value) for name, value in labels if name in _CHARGED_TO)


def gpu_cost(seconds: Decimal, usd_per_hour: Decimal) -> Decimal:
    """USD for *seconds* of one GPU, to eighteen places."""
    amount = DIVIDING.divide(DIVIDING.multiply(seconds, usd_per_hour), Decimal(3600))
    return amount.quantize(_PLACES)
