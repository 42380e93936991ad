"""Counters of events that are born when their first event comes, and born at zero.

A counter that appears with the value 1 has not grown for anybody who looks at growth: Prometheus'
increase() needs a value before. So a new kind of event is told as 0 in the round in which it was
first seen and as what it is from the next round on, one interval late and never lost.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)


@dataclass(slots=True)
class EventCounts(Generic[Kind]):
    """How often each kind of event was seen."""

    most: int = 2000
    """Kinds that are counted apart; far above what a node can have."""
    _times: Counter[Kind] = field(default_factory=Counter)
    _born: set[Kind] = field(default_factory=set)

    def add(self, kinds: Iterable[Kind]) -> None:
        """Count each of *kinds*."""
        for kind in kinds:
            if kind in self._times or len(self._times) < self.most:
                self._times[kind] += 1

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._times)

    def told(self) -> list[tuple[Kind, float]]:
        """What to say in this round, in the order in which kinds were first seen."""
        said = [(one, float(n) if one in self._born else 0.0) for one, n in self._times.items()]
        self._born.update(self._times)
        return said
