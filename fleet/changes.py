"""What was done to the fleet: told from outside, or seen in its own labels and counters."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vocabulary.change_events import bounded
from vocabulary.entities import Change, Entity, EntityKind

DAY = 86_400.0
SLOW_WORDS = {"driver": 3600.0}
"""Kinds that two observers notice far apart: NVML at once, a node's label when it is next set."""
BACK_OFF = 330.0
"""A kubelet waits up to five minutes before it starts a container that keeps ending (MaxContainer\
BackOff, Kubernetes' documentation of pod life cycle): so far apart may end and start lie."""
CLOCKS = 30.0
"""Seconds by which a node's clock may differ from the engine's own start time; our judgement."""


@dataclass(slots=True)
class ChangeFeed:
    """Changes of the last day, oldest first, each once. Safe to call from many threads.

    A change that bears an id is the same wherever that id comes again. Without one, two equal
    statements close in time are one. A bare `x restarted`, which an engine's start time shows, is
    the restart whose reason somebody else tells.
    """

    keep_seconds: float = DAY
    same_seconds: float = 120.0
    """Two equal statements closer than this are one: a controller and a label say the same."""
    most: int = 5000
    """Most changes kept: a crash loop must not fill memory."""
    _changes: list[Change] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, change: Change) -> bool:
        """Keep *change*; False when it is already known."""
        change = bounded(change)
        with self._lock:
            if change.id and change.id in self._ids:
                return False
            for place, known in enumerate(self._changes):
                if _one_restart(known, change):
                    self._merge(place, known, change)
                    return False
                if self._same(known, change):
                    return False
            self._changes.append(change)
            self._keep()
            return True

    def forget_before(self, now: float) -> None:
        """Let go of what is older than the feed keeps."""
        with self._lock:
            self._changes = [one for one in self._changes if one.at >= now - self.keep_seconds]
            self._keep()

    def __iter__(self) -> Iterator[Change]:
        with self._lock:
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
            for one in self
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
                "id": one.id,
            }
            for one in self
        ]

    def restore(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """The reverse of snapshot; snapshots from before changes had ids are read too."""
        for one in changes:
            kind, entity_id, name = one["entity"]
            entity = Entity(EntityKind(kind), entity_id, name)
            told = one.get("id", "")
            self.add(Change(one["at"], one["kind"], entity, one["what"], one["pool"], told))

    def _same(self, known: Change, change: Change) -> bool:
        """Equal words at about the same time, unless each has an id and they differ."""
        if known.id and change.id:
            return False
        mine, other = (
            (known.kind, known.entity, known.what),
            (
                change.kind,
                change.entity,
                change.what,
            ),
        )
        within = SLOW_WORDS.get(change.kind, self.same_seconds)
        return mine == other and abs(known.at - change.at) < within

    def _merge(self, place: int, known: Change, change: Change) -> None:
        """Of two statements of one restart keep the fuller, under whichever pool is known."""
        fuller = max(known, change, key=lambda one: len(one.what))
        pool = fuller.pool or known.pool or change.pool
        self._changes[place] = replace(fuller, pool=pool)
        self._keep()

    def _keep(self) -> None:
        self._changes.sort(key=lambda one: one.at)
        del self._changes[: -self.most]
        self._ids = {one.id for one in self._changes if one.id}


def _one_restart(known: Change, change: Change) -> bool:
    """Whether one of them is the bare word of a new start, the other says why the last run ended.

    Twice the same bare word, or two reasons, are left to the other rules.
    """
    if not known.kind == change.kind == "restart" or known.entity != change.entity:
        return False
    bare, told = sorted((known, change), key=lambda one: len(one.what))
    if not told.what.startswith(f"{bare.what}: "):
        return False
    return -CLOCKS <= bare.at - told.at <= BACK_OFF
