"""Budgets: what a period may cost, what it has cost, and what it should have cost by now.

Money has the rhythm of the week, so what should have been spent by now follows the hours of past
weeks where at least two are known, and the clock where not; the status says which.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from metering.ledger import HOUR, Ledger
from metering.money import DIVIDING, ZERO, imported, total
from vocabulary.errors import ConfigError

PERIODS = ("day", "week", "month")
WEEK = 7 * 24 * HOUR
WEEKS_NEEDED = 2
WEEKS_USED = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """What one tenant, model or pool (empty: all) may cost in one calendar period in UTC."""

    name: str
    usd: Decimal
    period: str = "month"
    tenant: str = ""
    model: str = ""
    pool: str = ""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands."""

    budget: Budget
    start: float
    end: float
    spent: Decimal
    expected: Decimal
    """What should have been spent by now if the whole budget is spent in its usual rhythm."""
    pace: float | None
    """Spent over expected: above 1 the budget will not last. None before anything is expected."""
    basis: str
    """What *expected* rests on, in words."""


def budgets_of(entries: Sequence[Mapping[str, Any]]) -> tuple[Budget, ...]:
    """Budgets as a price file lists them under `budgets`.

    Raises:
        ConfigError: An entry is no budget.
    """
    made = []
    for entry in entries:
        name = str(entry.get("name", "?"))
        try:
            budget = Budget(**{**entry, "name": name, "usd": imported(entry["usd"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"budget {name}: {error}; it needs `name`, `usd`, and may have `period`, "
                "`tenant`, `model`, `pool`"
            ) from error
        if budget.period not in PERIODS or budget.usd <= 0:
            raise ConfigError(
                f"budget {name}: `usd` must be above 0 and `period` one of {', '.join(PERIODS)}"
            )
        made.append(budget)
    return tuple(made)


def status(ledger: Ledger, budget: Budget, now: float) -> BudgetStatus:
    """How *budget* stands at *now*, by counters, which know every call."""
    start, end = period_around(budget.period, now)
    match = {"tenant": budget.tenant, "model": budget.model, "pool": budget.pool}
    spent = total(usd for _, usd in ledger.spending(start, now, **match))
    past = ledger.spending(start - WEEKS_USED * WEEK, start, **match)
    expected, basis = _expected(budget.usd, past, (start, now, end))
    pace = float(spent / expected) if expected > 0 else None
    return BudgetStatus(budget, start, end, spent, expected, pace, basis)


def period_around(period: str, now: float) -> tuple[float, float]:
    """The calendar day, ISO week or month in UTC that holds *now*, half-open."""
    moment = datetime.fromtimestamp(now, UTC)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return day.timestamp(), (day + timedelta(days=1)).timestamp()
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return monday.timestamp(), (monday + timedelta(days=7)).timestamp()
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return first.timestamp(), after.timestamp()


def _expected(
    usd: Decimal, past: Sequence[tuple[int, Decimal]], moments: tuple[float, float, float]
) -> tuple[Decimal, str]:
    start, now, end = moments
    # a day of grace: nights and weekends spend nothing, and leave no row to begin with
    weeks = int(start - past[0][0] + 24 * HOUR) // WEEK if past else 0
    weights: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for hour, spent in past:
        if hour >= start - weeks * WEEK:
            weights[hour % WEEK] += spent
    gone, whole = _weight(weights, start, now), _weight(weights, start, end)
    basis = "the same hours of the weeks before"
    if weeks < WEEKS_NEEDED or not whole:
        gone, whole = Decimal(int(now - start)), Decimal(int(end - start))
        basis = "time gone by; fewer than two weeks of spending are known"
    return DIVIDING.divide(DIVIDING.multiply(usd, gone), whole), basis


def _weight(weights: Mapping[int, Decimal], start: float, end: float) -> Decimal:
    """What past weeks spent in the hours of the week from *start* to *end*, the last in part."""
    result = ZERO
    for hour in range(int(start), int(end), HOUR):
        part = min(1.0, (end - hour) / HOUR)
        result += weights.get(hour % WEEK, ZERO) * Decimal(str(round(part, 6)))
    return result
