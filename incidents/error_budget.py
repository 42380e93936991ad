"""How fast an incident burns the error budget, and how much of it is gone.

Calls that fail and first tokens that come late have a budget of their own each: what the objective
leaves of the calls, or of the first tokens, of so many days. The one that fares worse is told.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from incidents.readings import STEP, Readings
from incidents.settings import DeskSettings
from vocabulary import signals as s
from vocabulary.expressions import Signal

Adding = Callable[[Signal, str, Iterable[str], float], float | None]


def failed_calls(models: Sequence[str], since: float, added: Adding) -> float | None:
    """User calls that failed: none where calls are counted and no failure ever made a series."""
    if added(s.GATEWAY_OPERATION_RATE, "model", models, since) is None:
        return None
    return added(s.GATEWAY_ERROR_RATE, "model", models, since) or 0.0


def burn_now(
    models: Sequence[str], readings: Readings, settings: DeskSettings, basis: list[str]
) -> float | None:
    """How many times too fast the error budget goes, over five minutes, from the gateway alone.

    Calls that fail and first tokens that come late have a budget of their own each; the one that
    goes faster is told.
    """
    failing, late = _failing(models, readings), _late(models, readings)
    told = [
        (share, what)
        for share, what in ((failing, "gateway error share"), (late, "late first tokens"))
        if share is not None
    ]
    if not told:
        return None
    share, what = max(told)
    basis.append(f"burn: {what} over {1.0 - settings.slo_target:.2%}")
    return round(share / (1.0 - settings.slo_target), 2)


def _failing(models: Sequence[str], readings: Readings) -> float | None:
    since = readings.scene.now - 300.0
    failed = failed_calls(models, since, readings.total) if models else None
    calls = readings.total(s.GATEWAY_OPERATION_RATE, "model", models, since)
    return None if failed is None or not calls else failed / calls


def _late(models: Sequence[str], readings: Readings) -> float | None:
    """Share of first tokens over five minutes that came late, models weighted by their calls."""
    known = [
        (late, rate or 0.0)
        for model in models
        for late in [readings.now(s.GATEWAY_FIRST_TOKENS_LATE, "model", model)]
        for rate in [readings.now(s.GATEWAY_FIRST_TOKEN_RATE, "model", model)]
        if late is not None
    ]
    weight = sum(rate for _, rate in known)
    if not known:
        return None
    if weight <= 0.0:
        return max(late for late, _ in known)
    return sum(late * rate for late, rate in known) / weight


def burnt_since(
    models: Sequence[str],
    since: float,
    readings: Readings,
    settings: DeskSettings,
    basis: list[str],
) -> float | None:
    """Share of the error budget that is gone since the onset *since*, at the traffic of late."""
    failed = failed_calls(models, since, readings.happened) if models else None
    told = [
        (share, what)
        for bad, signal, what in (
            (failed, s.GATEWAY_OPERATION_RATE, "failed calls"),
            (_late_since(models, since, readings), s.GATEWAY_FIRST_TOKEN_RATE, "late first tokens"),
        )
        for share in [_of_budget(bad, _usual(signal, models, readings), settings)]
        if share is not None
    ]
    if not told:
        return None
    share, what = max(told)
    basis.append(f"budget burnt: {what} since the onset, of {settings.slo_days:g} days' at the rate"
                 " of the last hours")  # fmt: skip
    return round(share, 6)


def _of_budget(bad: float | None, rate: float | None, settings: DeskSettings) -> float | None:
    """*bad* events over what the objective leaves of so many days at *rate* events a second."""
    if bad is None or not rate:
        return None
    return bad / ((1.0 - settings.slo_target) * rate * settings.slo_days * 86400.0)


def _usual(signal: Signal, models: Sequence[str], readings: Readings) -> float | None:
    """Mean rate of the last hours, of all *models*; None when none is known."""
    found = [readings.series(signal, "model", model) for model in models]
    known = [float(np.nanmean(row)) for _, row in filter(None, found)]
    return sum(known) if known else None


def _late_since(models: Sequence[str], since: float, readings: Readings) -> float | None:
    """First tokens that came late since a moment; None where nobody times them."""
    amounts = []
    for model in models:
        late = readings.series(s.GATEWAY_FIRST_TOKENS_LATE, "model", model)
        rate = readings.series(s.GATEWAY_FIRST_TOKEN_RATE, "model", model)
        if late is not None and rate is not None:
            after = late[0] > since
            amounts.append(float(np.nansum(late[1][after] * rate[1][after])) * STEP)
    return sum(amounts) if amounts else None
