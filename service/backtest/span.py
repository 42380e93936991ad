"""From when to when, as a person writes it: `-7d`, `2026-03-01T12:00Z`, Unix seconds."""

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from vocabulary.errors import ConfigError
from vocabulary.incidents import rfc3339
from vocabulary.samples import Array

_RELATIVE = re.compile(r"-(\d+(?:\.\d+)?)(s|m|h|d|w)")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604_800.0}
LONGEST = 366 * 86400.0
SELDOM = 120.0
"""Seconds between ticks at most: two that are farther apart are a gap to the desk."""


@dataclass(frozen=True, slots=True)
class Span:
    """The ticks of a replay: multiples of *every* seconds after *start*, up to *end*."""

    start: float
    end: float
    interval: float
    """Seconds between collections, and between the ticks of a live server."""
    every: float = 0.0
    """Seconds between ticks here; 0 for as often as live."""

    @property
    def moments(self) -> Array:
        """Every tick."""
        apart = self.every or self.interval
        first = math.floor(self.start / apart) + 1
        last = math.floor(self.end / apart)
        return np.arange(first, last + 1, dtype=np.float64) * apart

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    @property
    def words(self) -> str:
        """For a sentence."""
        return f"{_short(self.start)} to {_short(self.end)}"

    def beginning(self, moment: float) -> "Span":
        """Without what is before *moment*."""
        return replace(self, start=max(self.start, moment))


def span_of(begin: str, end: str, interval: float, now: float, every: float = 0.0) -> Span:
    """*begin* to *end*; `-2h` counts back from *now*, and an empty end is *now*.

    Raises:
        ConfigError: One is no time, or they are in the wrong order.
    """
    last = moment_of(end, now, "--to") if end else now
    first = moment_of(begin, now, "--from")
    if not first + interval <= last:
        raise ConfigError(f"--from {begin} is not before --to {end or 'now'}; name an earlier one")
    if last - first > LONGEST:
        raise ConfigError(f"--from {begin} is more than a year before --to; name a later one")
    if every and (every < interval or every > SELDOM or every % interval):
        raise ConfigError(
            f"--every {every:g} is no multiple of the interval of {interval:g} s up to {SELDOM:g}"
        )
    return Span(first, last, interval, every)


def moment_of(text: str, now: float, flag: str) -> float:
    """Unix seconds of *text*: relative to *now*, ISO 8601 (UTC where no zone is named) or a number.

    Raises:
        ConfigError: It is none of these.
    """
    text = text.strip()
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        return now - float(relative[1]) * _UNITS[relative[2]]
    if text == "now":
        return now
    try:
        moment = float(text) if _number(text) else _iso(text)
    except ValueError:
        moment = math.nan
    if not 0.0 <= moment < 1e11:
        raise ConfigError(
            f"{flag} {text[:60]!r} is no time; write -7d, -90m, 2026-03-01T12:00:00Z or Unix "
            "seconds"
        )
    return moment


def _number(text: str) -> bool:
    return bool(re.fullmatch(r"\d{9,11}(\.\d+)?", text))


def _iso(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _short(moment: float) -> str:
    return (rfc3339(moment) or "")[:16] + "Z"
