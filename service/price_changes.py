"""Prices that differ from those of the last start, as changes: spend moves with them."""

from collections.abc import Mapping
from typing import Any

from vocabulary.entities import Change, Entity, EntityKind

SNAPSHOT = "prices"
"""What the book listed when it was last opened, in the control file."""
MOST = 50
"""Prices told of by name; of more it is said how many there are. A new release brings new lists."""


def price_changes(
    before: Mapping[str, Any] | None, now: Mapping[str, str], at: float
) -> list[Change]:
    """What became of prices between two listings; nothing where there was no listing before.

    Models that are new in a list, or gone from it, are told of only where they are few: shipped
    lists grow with every release, and nobody's spend moves for it.
    """
    if before is None:
        return []
    told = {name: f"{before[name]} → {now[name]}" for name in sorted(before.keys() & now.keys())
            if before[name] != now[name]}  # fmt: skip
    come = {name: f"{now[name]}, which had no price" for name in now.keys() - before.keys()}
    gone = {name: f"{before[name]} → no price" for name in before.keys() - now.keys()}
    if len(come) + len(gone) <= MOST:
        told |= come | gone
    changes = [_change(name, what, at) for name, what in sorted(told.items())[:MOST]]
    more = len(told) - len(changes)
    if more > 0:
        everybody = Entity(EntityKind.CLUSTER, "prices", "price list")
        changes.append(Change(at, "price", everybody, f"{more} more prices changed"))
    return changes


def _change(name: str, what: str, at: float) -> Change:
    if name.startswith("gpu "):
        return Change(at, "price", Entity(EntityKind.CLUSTER, name), f"price of a {name}: {what}")
    return Change(at, "price", Entity(EntityKind.ROUTE, name), f"price of {name}: {what}")
