"""Questions to the ledger's tables, and what their rows mean."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from sqlite3 import Row

from metering.buckets import Buckets
from metering.prices import Rates
from metering.totals import PricedUsage, Total

BUCKETS = ("uncached", "cache_read", "cache_write", "output", "reasoning")
_GROUPED = """
    SELECT CASE WHEN ? THEN tenant ELSE '' END AS tenant,
           CASE WHEN ? THEN model ELSE '' END AS model,
           CASE WHEN ? THEN pool ELSE '' END AS pool,
"""
TOTALS = (
    _GROUPED
    + """
    COUNT(*) AS attempts, SUM(status <> 'ok') AS failed,
    COUNT(DISTINCT operation_id) AS operations,
    COUNT(DISTINCT CASE WHEN status = 'ok' THEN operation_id END) AS succeeded,
    SUM(uncached) AS uncached, SUM(cache_read) AS cache_read, SUM(cache_write) AS cache_write,
    SUM(output) AS output, SUM(reasoning) AS reasoning,
    SUM(uncached IS NULL) AS unreported,
    decimal_sum(usd) AS usd,
    SUM(CASE WHEN usd IS NULL
        THEN uncached + cache_read + cache_write + output + reasoning END) AS unpriced,
    group_concat(DISTINCT price_id) AS prices
    FROM attempt WHERE vantage = ? AND at >= ? AND at < ?
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
COUNTED = (
    _GROUPED
    + """
    kind, decimal_sum(amount) AS amount, group_concat(DISTINCT nullif(price_id, 0)) AS prices
    FROM counted WHERE vantage = ? AND hour >= ? AND hour < ?
    GROUP BY 1, 2, 3, 4
    """
)

PRICED_SPANS = """
    SELECT tenant, model, pool, snapshot, key, rates, source, dated,
    IFNULL(uncached + cache_read + cache_write > json_extract(rates, '$.above_tokens'), 0) AS long,
    SUM(uncached) AS uncached, SUM(cache_read) AS cache_read, SUM(cache_write) AS cache_write,
    SUM(output) AS output, SUM(reasoning) AS reasoning
    FROM attempt LEFT JOIN price ON price.id = price_id
    WHERE vantage = ? AND at >= ? AND at < ? AND uncached IS NOT NULL
    GROUP BY tenant, model, pool, price_id, long ORDER BY tenant, model, pool, price_id, long
"""
PRICED_COUNTERS = """
    SELECT tenant, model, pool, snapshot, key, rates, source, dated,
    decimal_sum(CASE WHEN kind = 'input' THEN amount END) AS input,
    decimal_sum(CASE WHEN kind = 'cached' THEN amount END) AS cached,
    decimal_sum(CASE WHEN kind = 'output' THEN amount END) AS generated
    FROM counted LEFT JOIN price ON price.id = price_id
    WHERE vantage = ? AND hour >= ? AND hour < ? AND kind IN ('input', 'cached', 'output')
    GROUP BY tenant, model, pool, price_id ORDER BY tenant, model, pool, price_id
"""


def priced_usage(row: Row, used: Buckets, *, long: bool) -> PricedUsage:
    """One row of PRICED_SPANS or PRICED_COUNTERS; *long* takes the rates of long prompts."""
    who = (row["tenant"], row["model"], row["pool"], used)
    if row["rates"] is None:
        return PricedUsage(*who, None)
    price = json.loads(row["rates"])
    rates = {name: Decimal(text) for name, text in price["above" if long else "rates"].items()}
    told = (row["key"], row["snapshot"], row["source"], row["dated"])
    return PricedUsage(*who, Rates(**rates), *told)


def grouping(by: Sequence[str]) -> tuple[bool, bool, bool]:
    """Whether to group by tenant, model and pool: the first three values of a grouped question."""
    return ("tenant" in by, "model" in by, "pool" in by)


def buckets(row: Row) -> Buckets:
    """The buckets of a row."""
    return Buckets(*(row[name] for name in BUCKETS))


def counted_total(
    key: tuple[str, str, str], kinds: Mapping[str, Decimal], prices: tuple[tuple[str, str], ...]
) -> Total:
    """What the kinds of COUNTED come to for one group."""

    def whole(kind: str) -> int:
        return int(kinds.get(kind, Decimal(0)).to_integral_value())

    cached = min(whole("cached"), whole("input"))
    used = Buckets(whole("input") - cached, cached, 0, whole("output"), 0)
    return Total(
        *key, used, whole("operations"), whole("operations_failed"),
        whole("attempts"), whole("attempts_failed"), 0,
        kinds.get("usd"), whole("unpriced"), prices,
    )  # fmt: skip


def literal(text: str) -> str:
    """A GLOB pattern that matches *text* itself, or everything when it is empty."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text) if text else "*"
