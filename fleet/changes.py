"""What was done to the fleet: told from outside, or seen in its own labels and counters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vocabulary.entities import Change, Entity, EntityKind

DAY = 86_400.0


@dataclass(slots=True)
class ChangeFeed:
    """Changes of the last day, oldest first, each once."""

    keep_seconds: float = DAY
    same_seconds: float = 120.0
    """Two equal statements closer than this are one: a controller and a label say the same."""
    most: int = 5000
    """Most changes kept: a crash loop must not fill memory."""
    _changes: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> bool:
        """Keep *change*; False when it is already known."""
        for known in self._changes:
            if (known.kind, known.entity, known.what) == (
                change.kind,
                change.entity,
                change.what,
            ) and abs(known.at - change.at) < self.same_seconds:
                return False
        self._changes.append(change)
        self._changes.sort(key=lambda one: one.at)
        del self._changes[: -self.most]
        return True

    def forget_before(self, now: float) -> None:
        """Let go of what is older than the feed keeps."""
        self._changes = [one for one in self._changes if one.at >= now - self.keep_seconds]

    def __iter__(self) -> Any:
        return iter(tuple(self._changes))

    def planned(self, pool: str, start: float, end: float) -> bool:
        """Whether somebody scaled, rolled out or swapped the model of *pool* in that span.

        Only statements about the pool count: that a replica was seen to leave is what a planned
        act and a fault have in common.
        """
        return any(
            one.entity.kind is EntityKind.POOL
            and one.kind in {"scale", "rollout", "model"}
            and pool in {one.pool, one.entity.id}
            and start <= one.at <= end
            for one in self._changes
        )

    def snapshot(self) -> list[dict[str, Any]]:
        """As plain data."""
        return [
            {
                "at": one.at,
                "kind": one.kind,
                "entity": [one.entity.kind.value, one.entity.id, one.entity.name],
                "what": one.what,
                "pool": one.pool,
            }
            for one in self._changes
        ]

    def restore(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """The reverse of snapshot."""
        for one in changes:
            kind, entity_id, name = one["entity"]
            entity = Entity(EntityKind(kind), entity_id, name)
            self.add(Change(one["at"], one["kind"], entity, one["what"], one["pool"]))
