"""Telemetry text inside Markdown that we write: shown as it is, and able to do nothing."""

from typing import Any

_SPECIAL = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>#|!"})


def one_line(value: Any) -> str:
    """*value* on one line, without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def text(value: Any) -> str:
    """Telemetry text made harmless: one line, no Markdown, no control characters."""
    return one_line(value).translate(_SPECIAL)


def code(value: Any) -> str:
    """As code, which a backtick cannot end."""
    return "`` " + one_line(value).replace("`", "'") + " ``"


def figure(value: Any, unit: str = "") -> str:
    """A number with its unit, four digits; unknown says so."""
    if value is None:
        return "not known"
    shown = f"{value:.4g}" if isinstance(value, float) else text(value)
    return f"{shown} {text(unit)}".rstrip()
