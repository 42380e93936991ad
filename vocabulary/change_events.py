"""A change as the attributes of an OpenTelemetry log event, and back.

The agent sees changes (a restart, an Xid, a new image) and tells the server over OTLP logs; both
ends use this one table.
"""

from collections.abc import Mapping

from vocabulary.entities import Change, Entity, EntityKind

EVENT_NAME = "tidegauge.change"
"""`event_name` of the log record."""
_KIND = "tidegauge.change.kind"
_WHAT = "tidegauge.change.what"
_POOL = "tidegauge.change.pool"
_ENTITY_KIND = "tidegauge.entity.kind"
_ENTITY_ID = "tidegauge.entity.id"
_ENTITY_NAME = "tidegauge.entity.name"
ATTRIBUTES = frozenset({_KIND, _WHAT, _POOL, _ENTITY_KIND, _ENTITY_ID, _ENTITY_NAME})


def change_attributes(change: Change) -> dict[str, str]:
    """What a log record says of *change*; its time is the record's own."""
    return {
        _KIND: change.kind,
        _WHAT: change.what,
        _POOL: change.pool,
        _ENTITY_KIND: change.entity.kind.value,
        _ENTITY_ID: change.entity.id,
        _ENTITY_NAME: change.entity.name,
    }


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
    return Change(at, attributes[_KIND], entity, attributes[_WHAT], attributes.get(_POOL, ""))
