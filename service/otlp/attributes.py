"""Attributes on the list, as plain text and numbers; everything else stays at the door."""

from collections.abc import Container, Iterable

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Plain = str | int | float | bool

MAX_TEXT = 256
"""Longest value kept. Names of models, tenants and pods are shorter; prompts are not."""


def kept(attributes: Iterable[KeyValue], allowed: Container[str]) -> dict[str, Plain]:
    """The attributes whose key is *allowed*, the last of equal keys.

    Lists give their first element, bytes and maps nothing.
    """
    found: dict[str, Plain] = {}
    for pair in attributes:
        if pair.key in allowed:
            value = plain(pair.value)
            if value is not None:
                found[pair.key] = value
    return found


def plain(value: AnyValue) -> Plain | None:
    """One value, bounded; None for what has no place in a label."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return clean(value.string_value)
    if kind == "array_value":
        first = next(iter(value.array_value.values), None)
        return None if first is None or first.HasField("array_value") else plain(first)
    if kind in {"int_value", "double_value", "bool_value"}:
        number: Plain = getattr(value, kind)
        return number
    return None


def clean(text: str) -> str:
    """*text* without control characters (which drive terminals), within MAX_TEXT."""
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def as_text(value: Plain | None) -> str:
    """How a value reads as a label; empty for None."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
