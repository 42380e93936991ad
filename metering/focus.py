"""Usage as FOCUS 1.2 cost and usage rows: one a day, tenant, model, token kind and rate.

The FinOps Open Cost and Usage Specification has no token columns before 1.5, which is not ratified;
until then direction and cache action are in columns of our own (`x_…`), as it provides for.
Usage without a price has no cost to report: it is left out and counted, never booked as zero.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from metering.budgets import period_around
from metering.ledger import Ledger
from metering.money import EXACT, plain
from metering.statement import choose_source, harmless
from metering.totals import PricedUsage

DAY = 86_400
MILLION = Decimal(10) ** 6


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way a token is charged, in FOCUS' words."""

    bucket: str
    rate: str
    meter: str
    direction: str
    cache: str = ""


_KINDS = (
    _Kind("uncached", "input", "Input Tokens", "Input"),
    _Kind("cache_read", "cache_read", "Cache Read Input Tokens", "Input", "Read"),
    _Kind("cache_write", "cache_write", "Cache Write Input Tokens", "Input", "Write"),
    _Kind("output", "output", "Output Tokens", "Output"),
    _Kind("reasoning", "reasoning", "Reasoning Output Tokens", "Output"),
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who charges, as the rows name it."""

    name: str
    account: str
    """Billing account: the cluster or the organisation."""


@dataclass(frozen=True, slots=True)
class FocusExport:
    """Rows, and what could not be told in them."""

    rows: tuple[dict[str, str], ...]
    unpriced_tokens: int


def export(
    ledger: Ledger, start: float, end: float, issuer: Issuer, source: str = ""
) -> FocusExport:
    """Rows of [start, end), split at midnight UTC; *source* as in a statement."""
    chosen, vantage = choose_source(ledger, start, end, source)
    rows: list[dict[str, str]] = []
    unpriced = 0
    for first, last in days(start, end):
        for usage in ledger.priced(first, last, vantage, chosen):
            if usage.rates is None:
                unpriced += usage.used.all
            else:
                rows += _rows(usage, first, last, issuer)
    return FocusExport(tuple(rows), unpriced)


def as_csv(made: FocusExport) -> str:
    """The rows as a FOCUS CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=COLUMNS)
    writer.writeheader()
    writer.writerows({name: harmless(cell) for name, cell in row.items()} for row in made.rows)
    return out.getvalue()


def days(start: float, end: float) -> Iterator[tuple[float, float]]:
    """[start, end) cut at each midnight in UTC."""
    while start < end:
        last = min(end, (start // DAY + 1) * DAY)
        yield start, last
        start = last


COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass",
    "ChargeDescription", "ChargeFrequency", "ChargePeriodStart", "ChargePeriodEnd",
    "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity",
    "PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceId",
    "SubAccountId", "SubAccountName", "Tags", "x_TokenDirection", "x_TokenCacheAction",
    "x_PriceSource", "x_PriceDate", "x_PriceSnapshot",
)  # fmt: skip


def _rows(usage: PricedUsage, start: float, end: float, issuer: Issuer) -> Iterator[dict[str, str]]:
    for kind in _KINDS:
        tokens = Decimal(getattr(usage.used, kind.bucket))
        if tokens:
            rate = getattr(usage.rates, kind.rate)
            yield _row(usage, kind, tokens, rate, (start, end), issuer)


def _row(
    usage: PricedUsage, kind: _Kind, tokens: Decimal, rate: Decimal,
    period: tuple[float, float], issuer: Issuer,
) -> dict[str, str]:  # fmt: skip
    cost = _number(EXACT.multiply(tokens, rate))
    unit_price = _number(EXACT.multiply(rate, MILLION))
    month = period_around("month", period[0])
    tags = {"pool": usage.pool} if usage.pool else {}
    told = {
        "BilledCost": cost,
        "BillingAccountId": issuer.account,
        "BillingAccountName": issuer.account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(month[0]),
        "BillingPeriodEnd": _time(month[1]),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{kind.meter} of {usage.model}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(period[0]),
        "ChargePeriodEnd": _time(period[1]),
        "ConsumedQuantity": _number(tokens),
        "ConsumedUnit": "Tokens",
        "ContractedCost": cost,
        "ContractedUnitPrice": unit_price,
        "EffectiveCost": cost,
        "InvoiceIssuerName": issuer.name,
        "ListCost": cost,
        "ListUnitPrice": unit_price,
        "PricingCategory": "Standard",
        "PricingQuantity": _number(EXACT.divide(tokens, MILLION)),
        "PricingUnit": "1000000 Tokens",
        "ProviderName": issuer.name,
        "PublisherName": issuer.name,
        "ResourceId": usage.model,
        "ResourceName": usage.model,
        "ResourceType": "Model",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "LLM Inference",
        "ServiceSubcategory": "Generative AI",
        "SkuId": usage.key,
        "SkuMeter": kind.meter,
        "SkuPriceId": f"{usage.key}/{kind.rate}@{usage.snapshot}",
        "SubAccountId": usage.tenant,
        "SubAccountName": usage.tenant,
        "Tags": json.dumps(tags, sort_keys=True),
        "x_TokenDirection": kind.direction,
        "x_TokenCacheAction": kind.cache,
        "x_PriceSource": usage.source,
        "x_PriceDate": usage.date,
        "x_PriceSnapshot": usage.snapshot,
    }
    return {name: told.get(name, "") for name in COLUMNS}


def _number(amount: Decimal) -> str:
    """Always with a decimal point: readers guess an integer column where there is none."""
    text = plain(amount)
    return text if "." in text else f"{text}.0"


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
