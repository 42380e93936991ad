"""How things are said on screen: ages, figures, severities, and text that cannot act."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

UNKNOWN = "–"
"""Shown where a figure is not known. Never a zero."""

SEVERITY_MARKS = {"critical": "▲", "warning": "◆", "info": "●"}
STATE_MARKS = {
    "loading": "◌", "idle": "○", "serving": "●", "saturated": "◍", "stalled": "■", "blind": "?",
    "open": "▲", "acknowledged": "◐", "mitigated": "◒", "resolved": "✓",
}  # fmt: skip
"""A shape beside each colour, for eyes and printers that do not tell colours apart."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:^=&'\"@/])")


def plain(value: Any, limit: int = 600) -> str:
    """Text from telemetry as Markdown that shows itself and does nothing."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _PUNCTUATION.sub(r"\\\1", text)


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time, or None."""
    return None if not text else datetime.fromisoformat(text).astimezone(UTC)


def clock(text: str | None) -> str:
    """`25 Nov 10:31:07 UTC`."""
    when = moment(text)
    return UNKNOWN if when is None else when.strftime("%d %b %H:%M:%S UTC")


def span(seconds: float | None) -> str:
    """A duration in its two largest units: `2 h 5 min`."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
    ):  # fmt: skip
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{int(seconds)} s"


def age(since: str | None, as_of: str | None) -> str:
    """How long ago *since* was, as seen from the newest data."""
    start, end = moment(since), moment(as_of)
    if start is None or end is None:
        return UNKNOWN
    return span((end - start).total_seconds())


def scale(unit: str, largest: float) -> tuple[float, str]:
    """What to multiply by, and the unit a person reads then: Hz as GHz, bytes as GiB, 0.2 as 20 %.

    *largest* is the greatest size that will be shown.
    """
    for size, shown in _LARGER.get(unit, ()):
        if largest >= size:
            return 1.0 / size, shown
    return (100.0, "%") if unit == "ratio" else (1.0, unit)


_LARGER = {
    "Hz": ((1e9, "GHz"), (1e6, "MHz")),
    "bytes": ((2.0**30, "GiB"), (2.0**20, "MiB")),
    "s": ((1.0, "s"), (1e-3, "ms")),
}


def figure(value: float | str | None, unit: str = "") -> str:
    """A number with a unit a person reads, thousands marked; unknown stays unknown."""
    if value is None:
        return UNKNOWN
    factor, unit = scale(unit, abs(float(value)))
    number = float(value) * factor
    if abs(number) >= 1000:
        shown = f"{number:,.0f}"
    else:
        shown = f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"
    return f"{shown} {unit}".rstrip()


def money(value: str | float | None, per: str = "") -> str:
    """Dollars, to the cent below a thousand."""
    if value is None:
        return UNKNOWN
    number = float(value)
    shown = f"${number:,.2f}" if abs(number) < 1000 else f"${number:,.0f}"
    return shown + per


def said(word: str) -> str:
    """`engine_stalled` as `Engine stalled`."""
    return word.replace("_", " ").capitalize()


def headed(incident: Mapping[str, Any]) -> str:
    """An incident's title without the name of its entity, which is shown beside it."""
    title, name = str(incident["title"]), str(incident["entity"]["name"])
    return title.removesuffix(f": {name}")


def offset(seconds: float) -> str:
    """A moment relative to the onset of an incident."""
    if abs(seconds) < 1.0:
        return "at the onset"
    return f"{span(abs(seconds))} {'before' if seconds <= 0 else 'after'} onset"
