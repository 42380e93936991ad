"""GPU time: how long which pool held which GPU, as seen; what nobody saw is not invented.

Where agents tell shares of a GPU's time, those are charged, and time that is nobody's is booked as
`idle` or `unallocated`, so that all of it sums to the GPU's hours. Elsewhere allocations are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import isnan

from metering.money import DIVIDING, counted
from vocabulary.samples import Labels, Sample, labels_of

MAX_GAP_SECONDS = 300.0
"""Longest time between two sightings that counts as held throughout: Prometheus' lookback."""
SHARES_SPEAK_SECONDS = 60.0
"""For so long after its last share a GPU's allocations are not charged; four rounds of an agent."""
_ALL = 1e-6
"""Shares this near to 1 are all there are."""
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
        self._rounds: dict[str, tuple[float, float]] = {}
        """GPU → the round before, and the newest, in which its shares were told."""
        self._shared: dict[str, float] = {}
        """GPU or MIG instance → when shares of it were told last."""

    def held(self, allocations: Iterable[Sample], shares: Iterable[Sample] = ()) -> list[Held]:
        """Seconds since shares or allocations were last seen; none at the first sighting."""
        found = self._by_share(shares)
        return found + [
            one
            for one in self._by_allocation(list(allocations))
            if one.at - self._shared.get(one.gpu, float("-inf")) >= SHARES_SPEAK_SECONDS
        ]

    def _by_share(self, shares: Iterable[Sample]) -> list[Held]:
        told: defaultdict[tuple[str, float], list[Sample]] = defaultdict(list)
        for one in shares:
            if one.value >= 0:
                told[one.series.label("gpu"), one.at].append(one)
        found = []
        for (gpu, at), parts in sorted(told.items()):
            before, newest = self._rounds.get(gpu, (at, at))
            if at < newest:
                continue  # late
            since = before if at == newest else newest
            self._rounds[gpu] = (since, at)
            for name in {gpu, *(one.series.label("mig") for one in parts)} - {""}:
                self._shared[name] = at
            elapsed = at - since if at - since <= self.max_gap_seconds else 0.0
            found += _divided(gpu, at, elapsed, parts)
        return found

    def _by_allocation(self, batch: list[Sample]) -> list[Held]:
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


def _divided(gpu: str, at: float, elapsed: float, parts: list[Sample]) -> list[Held]:
    """*elapsed* seconds by share; the largest takes what rounding left where all are there."""
    seconds = counted(round(elapsed, 3))
    ratios = [one.value for one in parts]
    amounts = [DIVIDING.multiply(seconds, counted(ratio)).quantize(_PLACES) for ratio in ratios]
    if abs(sum(ratios) - 1.0) < _ALL:
        largest = ratios.index(max(ratios))
        amounts[largest] += seconds - sum(amounts)
    return [
        Held(_owner(one.series.labels), gpu, amount, at)
        for one, amount in zip(parts, amounts, strict=True)
    ]


def _owner(labels: Labels) -> Labels:
    """Whom a share is charged to: a pod's pool, or the word for time that is no pod's."""
    told = dict(labels)
    if told.get("owner") == "pod":
        return charged_to(labels)
    return labels_of({"cluster": told.get("cluster", ""), "pool": told.get("owner", "")})


def charged_to(labels: Labels) -> Labels:
    """Labels of the cost that an allocation makes."""
    return labels_of((name, value) for name, value in labels if name in _CHARGED_TO)


def gpu_cost(seconds: Decimal, usd_per_hour: Decimal) -> Decimal:
    """USD for *seconds* of one GPU, to eighteen places."""
    amount = DIVIDING.divide(DIVIDING.multiply(seconds, usd_per_hour), Decimal(3600))
    return amount.quantize(_PLACES)
