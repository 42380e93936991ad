"""Usage and budgets as rows, for the API and the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from metering.budgets import Budget, status
from metering.ledger import Ledger
from metering.runs import runs
from metering.statement import as_json, statement
from vocabulary.errors import ConfigError
from vocabulary.incidents import rfc3339

DIMENSIONS = ("tenant", "model", "pool")


def dimensions(text: str | None) -> tuple[str, ...]:
    """`tenant,model` as names.

    Raises:
        ConfigError: One of them is none.
    """
    names = tuple(part for part in (text or "tenant,model").split(",") if part)
    for name in names:
        if name not in DIMENSIONS:
            raise ConfigError(f"cannot group by {name!r}; group by {', '.join(DIMENSIONS)}")
    return names


def usage_rows(ledger: Ledger, start: float, end: float, by: str | None) -> list[dict[str, Any]]:
    """The lines of a statement of [start, end)."""
    made: list[dict[str, Any]] = as_json(statement(ledger, start, end, dimensions(by)))["lines"]
    return made


def run_rows(ledger: Ledger, start: float, end: float) -> list[dict[str, Any]]:
    """Runs of agents in [start, end), those with most tokens first."""
    return [one.as_json() for one in runs(ledger, start, end)]


def budget_rows(ledger: Ledger, budgets: Sequence[Budget], now: float) -> list[Mapping[str, Any]]:
    """How each budget stands now."""
    return [_budget_row(ledger, budget, now) for budget in budgets]


def _budget_row(ledger: Ledger, budget: Budget, now: float) -> dict[str, Any]:
    stands = status(ledger, budget, now)
    return {
        "name": budget.name,
        "tenant": budget.tenant,
        "model": budget.model,
        "pool": budget.pool,
        "period": budget.period,
        "from": rfc3339(stands.start),
        "to": rfc3339(stands.end),
        "usd": format(budget.usd, "f"),
        "spent_usd": format(stands.spent, "f"),
        "expected_usd": format(stands.expected, "f"),
        "pace": stands.pace,
        "basis": stands.basis,
    }
