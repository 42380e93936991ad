"""Fields of objects that somebody else wrote: of the wanted type and bounded, or empty."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

LONGEST = 253
"""Longest name Kubernetes allows."""


def mapping(value: Any) -> dict[str, Any]:
    """*value* if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects in *value*."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any, longest: int = LONGEST) -> str:
    """*value* if it is text, cut at *longest* characters."""
    return value[:longest] if isinstance(value, str) else ""


def texts(value: Any) -> dict[str, str]:
    """A map of names to text, such as labels and annotations."""
    return {str(name): str(said)[:1024] for name, said in mapping(value).items()}


def words(value: Any, most: int = 200) -> list[str]:
    """The strings in *value*, a command line for example."""
    return [one for one in value[:most] if isinstance(one, str)] if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """*value* if it is an integer."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: Any) -> float | None:
    """Unix seconds of an RFC 3339 time."""
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else None
    except ValueError:
        return None


def metadata(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Namespace (empty for a node), name and uid.

    Raises:
        ValueError: The object has no name or no uid.
    """
    meta = mapping(body.get("metadata"))
    namespace, name, uid = (text(meta.get(key)) for key in ("namespace", "name", "uid"))
    if not (name and uid):
        raise ValueError("an object without name or uid is none")
    return namespace, name, uid
