"""Incidents that somebody knows of, and whether the replay would have told of each in time."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from service.backtest.span import moment_of
from service.backtest.telling import Telling
from vocabulary.errors import ConfigError

WITHIN_SECONDS = 900.0
"""Told later than this after its start, an incident counts as found late; our judgement: people
have noticed by then. `within` in the file sets another time."""
EARLY_SECONDS = 1800.0
"""A telling up to so long before the start that somebody wrote down is of that incident: people
date an incident when they notice it."""
LINGER_SECONDS = 300.0
"""A telling up to so long after the end still speaks of it: detectors look through windows."""
_KEYS = frozenset({"start", "end", "entity", "what", "within"})


class Outcome(StrEnum):
    """How a known incident would have fared."""

    FOUND = "found"
    LATE = "late"
    MISSED = "missed"
    NOT_REPLAYED = "not replayed"


@dataclass(frozen=True, slots=True)
class Known:
    """One incident as a person wrote it down."""

    start: float
    end: float
    entity: str = ""
    """What it was about: `pool/llm/chat`, or a part of any name; empty for anything."""
    what: str = ""
    within: float = WITHIN_SECONDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of it."""

    known: Known
    outcome: Outcome
    incident: str = ""
    after_seconds: float | None = None
    """From its start to the first telling; negative when told before anybody wrote it down."""


def judge(known: Sequence[Known], tellings: Iterable[Telling], until: float) -> list[Verdict]:
    """The verdict on each of *known*, in their order; *until* is where the replay ended."""
    told = sorted(tellings, key=lambda one: one.at)
    return [_verdict(one, told, until) for one in known]


def _verdict(known: Known, told: Sequence[Telling], until: float) -> Verdict:
    if known.start >= until:
        return Verdict(known, Outcome.NOT_REPLAYED)
    for one in told:
        early = one.at < known.start - EARLY_SECONDS
        if early or one.at > known.end + LINGER_SECONDS or not one.is_about(known.entity):
            continue
        after = one.at - known.start
        outcome = Outcome.LATE if after > known.within else Outcome.FOUND
        return Verdict(known, outcome, one.incident.id, after)
    return Verdict(known, Outcome.MISSED)


def read_known(file: Path, now: float) -> list[Known]:
    """The list in *file*: YAML or JSON, each with `start`, `end` and what else is known.

    Raises:
        ConfigError: It is no such list; the entry is named.
    """
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML: {' '.join(str(error).split())[:200]}") from error
    entries = body.get("incidents") if isinstance(body, Mapping) else body
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{file}: write a list of incidents, each with a start and an end")
    return [_entry(one, f"{file}: incident {place}", now) for place, one in enumerate(entries, 1)]


def _entry(entry: Any, where: str, now: float) -> Known:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is no mapping; write start: … and end: …")
    unknown = sorted(set(map(str, entry)) - _KEYS)
    if unknown:
        raise ConfigError(
            f"{where}: {unknown[0][:60]!r} is no key; known: {', '.join(sorted(_KEYS))}"
        )
    start, end = (_moment(entry, key, where, now) for key in ("start", "end"))
    if not start < end:
        raise ConfigError(f"{where}: it ends before it starts; swap start and end")
    within = entry.get("within", WITHIN_SECONDS)
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 < within < math.inf:
        raise ConfigError(f"{where}: within is {within!r}; write seconds, such as 600")
    text = {key: str(entry.get(key) or "")[:500] for key in ("entity", "what")}
    return Known(start, end, text["entity"], text["what"], float(within))


def _moment(entry: Mapping[str, Any], key: str, where: str, now: float) -> float:
    value = entry.get(key)
    if isinstance(value, datetime):  # YAML knows times; without a zone they are UTC
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if value is None:
        raise ConfigError(f"{where} has no {key}; write {key}: 2026-03-01T12:00:00Z")
    return moment_of(str(value), now, f"{where}: {key}")
