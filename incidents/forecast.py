"""What comes if nothing is done, in one sentence, where something is known to grow.

A forecast is the pace of now carried on: the error budget at its present burn, a queue along the
straight line of its last quarter of an hour, dollars at their present rate. Nothing is foretold of
what does not move, or moves too unevenly for a line to say anything.
"""

import numpy as np

from incidents.readings import STEP, Readings
from incidents.settings import DeskSettings
from vocabulary import signals as s
from vocabulary.expressions import Signal
from vocabulary.incidents import Impact
from vocabulary.samples import Array

MINUTES = 15
"""How much of the newest past a line is laid through."""
AHEAD = 30
"""Minutes it is carried on: further, a queue has met a timeout or a scaler."""
FIT = 0.7
"""Share of the scatter that the line must explain (R squared); our judgement."""
FULL = 1.0
"""A KV cache is full at this ratio."""
FAST = 2.0
"""Times the sustainable burn from which the end of the budget is told; below it, it lasts
a fortnight or longer."""


def forecast(pool: str, now: Impact, readings: Readings, settings: DeskSettings) -> str:
    """What the trouble at *pool* leads to; empty where nothing is known to grow."""
    told = (_budget(now, settings), _queue(pool, readings), _cache(pool, readings), _dollars(now))
    return "; ".join(filter(None, told))


def _budget(now: Impact, settings: DeskSettings) -> str:
    if now.slo_burn is None or now.slo_burn < FAST:
        return ""
    hours = settings.slo_days * 24.0 / now.slo_burn
    return f"the error budget of {settings.slo_days:g} days is gone in {hours:.0f} h"


def _queue(pool: str, readings: Readings) -> str:
    trend = _trend(s.WAITING, pool, readings)
    if trend is None or trend[1] <= 0.0:
        return ""
    newest, a_minute = trend
    later = newest + AHEAD * a_minute
    if later < newest + 2.0 or later < 1.5 * newest:
        return ""
    return f"{newest:.0f} requests wait, {later:.0f} in {AHEAD} min"


def _cache(pool: str, readings: Readings) -> str:
    trend = _trend(s.KV_USAGE, pool, readings, mean=True)
    if trend is None or trend[1] <= 0.0 or trend[0] >= FULL:
        return ""
    minutes = (FULL - trend[0]) / trend[1]
    return f"KV caches are full in {minutes:.0f} min" if minutes <= AHEAD else ""


def _dollars(now: Impact) -> str:
    if not now.usd_per_hour:
        return ""
    return f"{now.usd_per_hour * 24:,.2f} USD more in a day"


def _trend(
    signal: Signal, pool: str, readings: Readings, *, mean: bool = False
) -> tuple[float, float] | None:
    """Where a pool's line stands now and how much it rises a minute; None without a line."""
    rows = readings.replicas_of(signal, pool)[:, -MINUTES:]
    if not rows.size:
        return None
    known = rows[:, ~np.isnan(rows).any(axis=0)]
    values: Array = known.mean(axis=0) if mean else known.sum(axis=0)
    if len(values) < MINUTES - 3:
        return None
    minutes = np.arange(len(values)) * STEP / 60.0
    slope, start = (float(one) for one in np.polyfit(minutes, values, 1))
    scatter = float(np.var(values))
    left = float(np.var(values - (start + slope * minutes)))
    if scatter <= 0.0 or 1.0 - left / scatter < FIT:
        return None
    return float(values[-1]), slope
