"""A change as the attributes of an OpenTelemetry log event, and back.

The agent sees changes (a restart, an Xid, a new image) and tells the server over OTLP logs; both
ends use this one table. Words of a change come from pods and people: they are bounded here.
"""

from collections.abc import Mapping
from dataclasses import replace

from vocabulary.entities import Change, Entity, EntityKind

EVENT_NAME = "tidegauge.change"
"""`event_name` of the log record."""
LONGEST_WHAT = 256
"""Characters of a statement; a page shows one line, and so does a terminal."""
LONGEST_NAME = 512
"""Characters of an id or a name: a replica's id holds two Kubernetes names (253 each at most)."""
_ID = "tidegauge.change.id"
_KIND = "tidegauge.change.kind"
_WHAT = "tidegauge.change.what"
_POOL = "tidegauge.change.pool"
_ENTITY_KIND = "tidegauge.entity.kind"
_ENTITY_ID = "tidegauge.entity.id"
_ENTITY_NAME = "tidegauge.entity.name"
ATTRIBUTES = frozenset({_ID, _KIND, _WHAT, _POOL, _ENTITY_KIND, _ENTITY_ID, _ENTITY_NAME})


def bounded(change: Change) -> Change:
    """*change* without control characters (they drive terminals), each word within its length."""
    entity = Entity(
        change.entity.kind,
        _line(change.entity.id, LONGEST_NAME),
        _line(change.entity.name, LONGEST_NAME),
    )
    return replace(
        change,
        kind=_line(change.kind, 32),
        entity=entity,
        what=_line(change.what, LONGEST_WHAT),
        pool=_line(change.pool, LONGEST_NAME),
        id=_line(change.id, LONGEST_NAME),
    )


def change_attributes(change: Change) -> dict[str, str]:
    """What a log record says of *change*; its time is the record's own."""
    said = {
        _KIND: change.kind,
        _WHAT: change.what,
        _POOL: change.pool,
        _ENTITY_KIND: change.entity.kind.value,
        _ENTITY_ID: change.entity.id,
        _ENTITY_NAME: change.entity.name,
    }
    return {**said, _ID: change.id} if change.id else said


def change_of(attributes: Mapping[str, str], at: float) -> Change:
    """The reverse of change_attributes.

    Raises:
        ValueError: A needed attribute is missing, or its entity is of no kind we know.
    """
    missing = [name for name in (_KIND, _WHAT, _ENTITY_ID) if not attributes.get(name)]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    kind = EntityKind(attributes.get(_ENTITY_KIND, ""))
    entity = Entity(kind, attributes[_ENTITY_ID], attributes.get(_ENTITY_NAME, ""))
    return Change(
        at,
        attributes[_KIND],
        entity,
        attributes[_WHAT],
        attributes.get(_POOL, ""),
        attributes.get(_ID, ""),
    )


def _line(text: str, longest: int) -> str:
    if not text.isprintable():
        text = "".join(one if one.isprintable() else " " for one in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
