"""Budgets as LiteLLM keeps them: so many dollars a period for a team or a key, and then no more."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one tenant may spend before the gateway refuses its calls."""

    tenant: str
    usd: Decimal
    """`max_budget`."""
    period: float = 86_400.0
    """Seconds after which it begins anew (`budget_duration`), counted from midnight UTC."""
    of: str = "team"
    """`team` or `key`: which of the two LiteLLM keeps it for."""
    status: int = 422
    """What a refusal is answered with (`budget_exceeded_status_code`); 429 in older versions."""


@dataclass(slots=True)
class Purse:
    """What is left of an allowance. It outlives the gateway's process, as a database does."""

    allowance: Allowance
    began: float
    spent: Decimal = Decimal(0)

    @property
    def until(self) -> float:
        """When it begins anew."""
        return self.began + self.allowance.period

    @property
    def left(self) -> Decimal:
        """Dollars; below zero after calls that were under way when it was spent."""
        return self.allowance.usd - self.spent

    def refuses(self, at: float) -> bool:
        """Whether the next call is refused; a key is at its limit, a team only beyond it."""
        self.renew(at)
        return self.left <= 0 if self.allowance.of == "key" else self.left < 0

    def charge(self, usd: Decimal, at: float) -> None:
        """A call that was answered *at* cost so much."""
        self.renew(at)
        self.spent += usd

    def renew(self, at: float) -> None:
        """Begin anew when the period is over."""
        if at >= self.until:
            self.began, self.spent = period_start(self.allowance, at), Decimal(0)


def period_start(allowance: Allowance, at: float) -> float:
    """When the period that holds *at* began."""
    return at // allowance.period * allowance.period
