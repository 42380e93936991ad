"""Whether what was done helped: the card's check asked of the store, and what the incident says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.execution.plans import Standing
from store.asking import Asking
from vocabulary.actions import Check, Goal
from vocabulary.signals import BY_NAME

LOOKBACK, STEP = 120.0, 15.0
"""How old a value may be to count as one of now, and how finely it is asked for, in seconds."""
MAX_ROWS = 500
"""Rows that are remembered from before."""
BEFORE_ONSET = 300.0
"""How long before the onset `as before` looks; our judgement."""
Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check showed at one moment."""

    holds: bool | None
    """None where nothing was seen."""
    said: str


def values(store: Asking, check: Check, at: float) -> Values:
    """The newest value of every row of the check's signal, by whom it is about.

    Raises:
        StoreError: The store cannot be asked.
    """
    found: Values = {}
    signal = BY_NAME.get(check.signal)
    if signal is None:  # a plan of another version
        return found
    frame = store.evaluate(signal, at - LOOKBACK, at, STEP)
    for labels, row in frame.where(**{check.label: check.name}).rows():
        known = row[~np.isnan(row)]
        if known.size:
            name = labels.get("replica") or ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
            found[name] = found.get(name, 0.0) + float(known[-1])
    return found


def baseline(store: Asking, check: Check | None, now: float, onset: float) -> dict[str, Any]:
    """What to compare with later: the signal as it is when it is done, or was before the onset."""
    if check is None or not check.signal:
        return {}
    at = onset - BEFORE_ONSET if check.goal is Goal.AS_BEFORE else now
    found = values(store, check, at)
    return {
        "sum": sum(found.values()) if found else None,
        "highest": max(found.values(), default=None),
        "mean": sum(found.values()) / len(found) if found else None,
        "rows": sorted(found)[:MAX_ROWS],
    }


def look(store: Asking, check: Check, before: Mapping[str, Any], now: float) -> Seen:
    """Whether *check* holds at *now*, against what was *before*.

    Raises:
        StoreError: The store cannot be asked.
    """
    found = values(store, check, now)
    if not found:
        return Seen(None, f"nothing is seen of {check.signal}")
    value, bound = _measured(check, before, found), check.bound
    if value is None:
        return Seen(False, f"nothing new is seen in {check.signal}")
    if check.goal not in _AGAINST:
        above = check.goal is not Goal.AT_MOST
        return Seen(value > bound if above else value <= bound, _said(check, value))
    was = before.get(_AGAINST[check.goal])
    if was is None:
        return Seen(None, f"it is not known what {check.signal} was before")
    holds = {
        Goal.FALLS: value <= bound * was,
        Goal.NOT_LOWER: value >= was,
        Goal.NOT_HIGHER: value <= was,
        Goal.AS_BEFORE: value <= (1.0 + bound) * was,
    }
    return Seen(holds[check.goal], _said(check, value, was))


_AGAINST = {
    Goal.FALLS: "sum",
    Goal.NOT_LOWER: "sum",
    Goal.NOT_HIGHER: "highest",
    Goal.AS_BEFORE: "mean",
}


def _measured(check: Check, before: Mapping[str, Any], found: Values) -> float | None:
    """The one value that a goal judges; None where nothing is new."""
    if check.goal is Goal.REPLACED:
        old = set(before.get("rows", ()))
        return max((value for name, value in found.items() if name not in old), default=None)
    measures: dict[Goal, Callable[[], float]] = {
        Goal.ABOVE: lambda: min(found.values()),
        Goal.AT_MOST: lambda: max(found.values()),
        Goal.NOT_HIGHER: lambda: max(found.values()),
        Goal.AS_BEFORE: lambda: sum(found.values()) / len(found),
    }
    return measures.get(check.goal, lambda: sum(found.values()))()


def _said(check: Check, value: float, was: float | None = None) -> str:
    against = "" if was is None else f", was {was:.4g}"
    return f"{check.signal} is {value:.4g}{against}"


def verdict(
    check: Check | None, seen: Seen, *, calm: bool, over: bool
) -> tuple[Standing, str] | None:
    """How it ended, or None while there is time left.

    A check that must come true counts as a cure only once the incident is calm too: a replica may
    step again while users still wait. One that must last, or that the object itself shows, is
    about the action alone.
    """
    if check is None:
        return (Standing.CANNOT_TELL, "no signal tells; look yourself") if over else None
    shown = check.goal is Goal.SHOWN and seen.holds
    if shown or (not check.lasting and seen.holds and calm):
        return Standing.CURED, seen.said
    if check.lasting and seen.holds is False:
        return Standing.NOT_CURED, seen.said
    return _at_the_end(check, seen) if over else None


def _at_the_end(check: Check, seen: Seen) -> tuple[Standing, str]:
    if seen.holds is None:
        return Standing.CANNOT_TELL, f"blind: {seen.said}"
    if seen.holds and check.lasting:
        return Standing.CURED, f"{seen.said} to the end"
    goes_on = "; the check holds, and the incident goes on" if seen.holds else ""
    return Standing.NOT_CURED, f"{seen.said} after {check.minutes:g} min{goes_on}"
