"""What a period's usage came to, by whatever it is grouped by."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from metering.buckets import Buckets
from metering.money import total
from metering.prices import Rates


@dataclass(frozen=True, slots=True)
class Total:
    """Usage of one tenant, model and pool; a dimension not grouped by is empty."""

    tenant: str = ""
    model: str = ""
    pool: str = ""
    used: Buckets = field(default_factory=Buckets)
    operations: int = 0
    """What users asked for; a retry is not another one."""
    operations_failed: int = 0
    """Operations none of whose attempts succeeded."""
    attempts: int = 0
    attempts_failed: int = 0
    unreported: int = 0
    """Attempts whose usage nobody reported: unknown, not zero."""
    usd: Decimal | None = None
    """Exact; None when nothing of it has a price."""
    unpriced_tokens: int = 0
    """Tokens used whose price is not known."""
    prices: tuple[tuple[str, str], ...] = ()
    """(source, date) of every price that was used."""


@dataclass(frozen=True, slots=True)
class GpuTotal:
    """GPU time one pool held, and what it cost."""

    pool: str
    model: str
    gpu_seconds: Decimal
    usd: Decimal | None
    prices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PricedUsage:
    """Usage of one tenant, model and pool that was charged at one set of rates."""

    tenant: str
    model: str
    pool: str
    used: Buckets
    rates: Rates | None
    """None when it has no price."""
    key: str = ""
    """Under which name the book held the price."""
    snapshot: str = ""
    source: str = ""
    date: str = ""


def priced_sum(totals: Iterable[Total]) -> Decimal | None:
    """The exact sum of what is priced, or None when nothing is."""
    amounts = [one.usd for one in totals if one.usd is not None]
    return total(amounts) if amounts else None
