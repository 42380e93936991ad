"""Statements: totals as rows a person, a spreadsheet or a program can read.

Rounding happens here and nowhere else: each printed amount is rounded so that the lines sum to the
rounded total; the exact amount stands beside it.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from metering.ledger import BY_DEFAULT, Ledger
from metering.money import plain, round_lines, total
from metering.totals import GpuTotal, Total
from vocabulary.incidents import rfc3339

SPANS_SUFFICE = Decimal("0.95")
"""Spans are the statement's source where they tell at least this share of the counters' tokens;
our judgement: below it so many calls send no spans that a statement from them would mislead."""
CENTS = 2
"""Decimal places of the US dollar (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement."""

    what: Total
    usd: Decimal | None
    """Rounded to the cent, so that lines sum to the statement's total; None when unpriced."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Usage of [start, end) in UTC."""

    start: float
    end: float
    source: str
    """`spans` or `counters`."""
    vantage: str
    """Where the usage was seen; other vantages saw the same requests and are not added."""
    lines: tuple[Line, ...]
    gpus: tuple[GpuTotal, ...]
    usd: Decimal | None
    """The rounded total; None when nothing is priced."""
    unpriced_tokens: int


def statement(
    ledger: Ledger, start: float, end: float, by: Sequence[str] = BY_DEFAULT, source: str = ""
) -> Statement:
    """What was used in [start, end), grouped *by* tenant, model and pool.

    *source* is `spans`, `counters`, or empty for the better of the two: see SPANS_SUFFICE.
    Counters are booked by the hour, so their period is that of the hours that begin in it.
    """
    chosen, vantage = choose_source(ledger, start, end, source)
    if chosen == "spans":
        totals = ledger.totals(start, end, by, vantage)
    else:
        totals = ledger.counted(start, end, by, vantage)
    cents = _rounded([one.usd for one in totals])
    known = [one for one in cents if one is not None]
    return Statement(
        start,
        end,
        chosen,
        vantage,
        tuple(Line(one, usd) for one, usd in zip(totals, cents, strict=True)),
        tuple(ledger.gpu_totals(start, end)),
        total(known) if known else None,
        sum(one.unpriced_tokens for one in totals),
    )


def choose_source(ledger: Ledger, start: float, end: float, source: str = "") -> tuple[str, str]:
    """`spans` or `counters`, and the vantage they speak for: see SPANS_SUFFICE."""
    best = ledger.best_vantage(start, end)
    spans = ledger.totals(start, end, (), best)
    for vantage in ("gateway", "engine"):
        counters = ledger.counted(start, end, (), vantage)
        if counters:
            break
    else:
        return ("spans", best) if spans and source != "counters" else ("counters", "")
    enough = Decimal(_tokens(spans)) >= SPANS_SUFFICE * _tokens(counters)
    if source == "spans" or (not source and spans and enough):
        return "spans", best
    return "counters", vantage


def rows(made: Statement) -> list[dict[str, Any]]:
    """One flat row a line: money as decimal text, time as RFC 3339, unknown as None."""
    return [_row(made, line) for line in made.lines]


def as_json(made: Statement) -> dict[str, Any]:
    """The statement as it leaves the process."""
    return {
        "start": rfc3339(made.start),
        "end": rfc3339(made.end),
        "source": made.source,
        "vantage": made.vantage,
        "currency": "USD",
        "total_usd": None if made.usd is None else plain_cents(made.usd),
        "unpriced_tokens": made.unpriced_tokens,
        "lines": rows(made),
        "gpu_time": _gpu_rows(made.gpus),
    }


def as_csv(made: Statement) -> str:
    """The rows as RFC 4180 text; a text cell that a spreadsheet might run is quoted away."""
    out = io.StringIO()
    table = rows(made)
    writer = csv.DictWriter(out, fieldnames=list(table[0]) if table else list(_COLUMNS))
    writer.writeheader()
    writer.writerows({name: harmless(cell) for name, cell in row.items()} for row in table)
    return out.getvalue()


def plain_cents(amount: Decimal) -> str:
    """An amount with its cents."""
    return format(amount, f".{CENTS}f")


_COLUMNS = (
    "period_start", "period_end", "tenant", "model", "pool", "input_tokens", "cached_input_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens", "operations", "operations_failed",
    "attempts", "attempts_failed", "unreported_attempts", "usd", "usd_exact", "unpriced_tokens",
    "price_source", "price_date",
)  # fmt: skip


def _row(made: Statement, line: Line) -> dict[str, Any]:
    one = line.what
    cells = (
        rfc3339(made.start), rfc3339(made.end), one.tenant, one.model, one.pool,
        one.used.input_total, one.used.cache_read, one.used.cache_write,
        one.used.output_total, one.used.reasoning, one.operations, one.operations_failed,
        one.attempts, one.attempts_failed, one.unreported,
        None if line.usd is None else plain_cents(line.usd),
        None if one.usd is None else plain(one.usd),
        one.unpriced_tokens,
        *_prices(one.prices),
    )  # fmt: skip
    return dict(zip(_COLUMNS, cells, strict=True))


def _gpu_rows(gpus: Sequence[GpuTotal]) -> list[dict[str, Any]]:
    cents = _rounded([one.usd for one in gpus])
    return [_gpu_row(one, usd) for one, usd in zip(gpus, cents, strict=True)]


def _gpu_row(one: GpuTotal, usd: Decimal | None) -> dict[str, Any]:
    source, date = _prices(one.prices)
    return {
        "pool": one.pool,
        "model": one.model,
        "gpu_seconds": plain(one.gpu_seconds),
        "usd": None if usd is None else plain_cents(usd),
        "usd_exact": None if one.usd is None else plain(one.usd),
        "price_source": source,
        "price_date": date,
    }


def _rounded(amounts: Sequence[Decimal | None]) -> list[Decimal | None]:
    """Cents that sum to the rounded total; what has no price keeps none."""
    rounded = iter(round_lines([one for one in amounts if one is not None], CENTS))
    return [None if one is None else next(rounded) for one in amounts]


def _prices(prices: Sequence[tuple[str, str]]) -> tuple[str, str]:
    return "; ".join(source for source, _ in prices), "; ".join(date for _, date in prices)


def _tokens(totals: Sequence[Total]) -> int:
    return sum(one.used.all for one in totals)


def harmless(cell: Any) -> Any:
    """*cell*, quoted away where a spreadsheet would run it."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
