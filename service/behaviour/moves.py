"""When which signal left its usual: begun, how far, how odd, and over or not."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vocabulary.incidents import rfc3339

LINGER_SECONDS = 300.0
"""Without an odd value for so long, a move is over; our judgement."""
KEPT_SECONDS = 86_400.0
MOST = 5_000
"""Moves that are remembered; beyond, the oldest go."""


@dataclass(frozen=True, slots=True)
class Move:
    """One signal of one entity that moved as it had not before."""

    entity: str
    """`kind/id`, as everywhere."""
    signal: str
    family: str
    pool: str
    model: str
    since: float
    seen: float
    """When it was last odd."""
    score: float
    """-log10 of a chance, about; the highest so far."""
    value: float
    """At the highest score, in the signal's unit."""
    usual: float
    """The level it left."""

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            **asdict(self),
            "direction": "down" if self.value < self.usual else "up",
            "since": rfc3339(self.since),
            "seen": rfc3339(self.seen),
            "score": round(self.score, 2),
        }


@dataclass(slots=True)
class Moves:
    """Moves that go on, by their series, and those of the last day."""

    going: dict[tuple[str, str], Move] = field(default_factory=dict)
    over: list[Move] = field(default_factory=list)

    def note(self, one: Move) -> None:
        """A value was odd now."""
        key = (one.entity, one.signal)
        known = self.going.get(key)
        if known is None:
            self.going[key] = one
        elif one.score > known.score:
            self.going[key] = replace(known, seen=one.seen, score=one.score, value=one.value)
        else:
            self.going[key] = replace(known, seen=one.seen)

    def settle(self, now: float) -> None:
        """End what is odd no more, and forget what is old."""
        ended = [key for key, one in self.going.items() if now - one.seen > LINGER_SECONDS]
        for key in ended:
            self.over.append(self.going.pop(key))
        if ended or len(self.over) > MOST:
            self.over = [one for one in self.over if now - one.seen < KEPT_SECONDS][-MOST:]

    def between(self, start: float, end: float) -> list[Move]:
        """Those that went on in a span, the first to move first, of equals the oddest."""
        every = (*self.over, *self.going.values())
        found = [one for one in every if one.seen >= start and one.since <= end]
        return sorted(found, key=lambda one: (one.since, -one.score, one.entity, one.signal))

    def kept(self) -> list[dict[str, Any]]:
        """For a restart."""
        return [asdict(one) for one in (*self.over, *self.going.values())][-MOST:]

    def restore(self, kept: Iterable[Mapping[str, Any]]) -> None:
        """All are over until they are seen again."""
        self.over = [Move(**one) for one in kept]
