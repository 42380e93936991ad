"""Attempts as rows of the ledger: each once, charged as it comes, a batch at a time.

Whether an attempt was told before is asked of the table itself, by inserting: where everything is
new, which is nearly always, nothing more is asked.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from sqlite3 import Connection
from typing import Any

from metering.buckets import counts_of
from metering.prices import PriceBook, TokenPrice, Unpriced
from metering.tariff import Tariff, tariff
from vocabulary.usage import UsageSpan

_Row = tuple[Any, ...]
_TOLD = (
    "attempt_id, operation_id, tenant, model, model_requested, provider, vantage, at, duration, "
    "uncached, cache_read, cache_write, output, reasoning, status, error_type, operation, "
    "conversation, agent"
)
"""What a span tells; equal here is equal, whatever pool or price we put beside it."""
_WIDTH = _TOLD.count(",") + 1
_UNCACHED, _USD = 9, _WIDTH + 1
_INSERT = (
    f"INSERT INTO attempt ({_TOLD}, pool, usd, price_id, booked_at) "  # noqa: S608 - our own words
    f"VALUES ({', '.join('?' * (_WIDTH + 4))}) ON CONFLICT (attempt_id) DO NOTHING"
)
_AT_ONCE = 500
"""Ids in one question; SQLite's oldest limit of parameters is 999."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of spans."""

    new: int = 0
    repeated: int = 0
    """Delivered before, word for word: no effect."""
    conflicting: int = 0
    """The same attempt told differently: the first telling stands, the other is parked."""
    unpriced: int = 0


@dataclass(slots=True)
class Batch:
    """One batch within the caller's transaction."""

    connection: Connection
    book: PriceBook
    pool_of: Callable[[str], str]
    price_id: Callable[[Connection, TokenPrice], int]
    now: float
    """Unix seconds: dates the booking."""

    def record(self, spans: Sequence[UsageSpan]) -> Recorded:
        """Insert what is new; park what contradicts what was told before."""
        rows = self._rows(spans)
        before = self.connection.total_changes
        newest = self._newest()
        self.connection.executemany(_INSERT, rows)
        new = self.connection.total_changes - before
        if new == len(rows):
            return Recorded(new, unpriced=sum(map(_unpriced, rows)))
        told = self._told([span.attempt_id for span in spans])
        parked = sum(
            self._park(span)
            for span, row in zip(spans, rows, strict=True)
            if told[span.attempt_id] != row[:_WIDTH]
        )
        return Recorded(new, len(rows) - new - parked, parked, self._unpriced_after(newest))

    def _rows(self, spans: Sequence[UsageSpan]) -> list[_Row]:
        charged: dict[tuple[str, str], tuple[str, Tariff | None, int | None]] = {}
        now, rows = self.now, []
        for one in spans:
            model = one.model_served or one.model_requested
            key = (model, one.provider)
            if key not in charged:
                charged[key] = self._terms(*key)
            pool, price, price_id = charged[key]
            used = counts_of(one)
            charge: _Row = (None, None, None)
            if used is not None and price is not None:
                charge = (price.usd(used), price_id, now)
            rows.append(
                (
                    one.attempt_id, one.operation_id, one.tenant, model, one.model_requested,
                    one.provider, one.vantage, one.at, one.duration, *(used or _UNKNOWN),
                    one.status, one.error_type, one.operation, one.conversation, one.agent,
                    pool, *charge,
                )
            )  # fmt: skip
        return rows

    def _terms(self, model: str, provider: str) -> tuple[str, Tariff | None, int | None]:
        """Pool, tariff and price of one model."""
        price = self.book.token_price(model, provider)
        if isinstance(price, Unpriced):
            return self.pool_of(model), None, None
        return self.pool_of(model), tariff(price), self.price_id(self.connection, price)

    def _told(self, ids: Sequence[str]) -> dict[str, _Row]:
        found: dict[str, _Row] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = self.connection.execute(
                f"SELECT {_TOLD} FROM attempt WHERE attempt_id IN ({marks})",  # noqa: S608 - marks
                some,
            )
            found.update((row[0], tuple(row)) for row in rows)
        return found

    def _park(self, span: UsageSpan) -> int:
        """Keep the other telling aside, once; gives whether it is a new one."""
        return self.connection.execute(
            "INSERT OR IGNORE INTO conflict VALUES (?, ?, ?, ?)",
            (span.attempt_id, span.content_hash, json.dumps(asdict(span)), self.now),
        ).rowcount

    def _newest(self) -> int:
        return int(
            self.connection.execute("SELECT ifnull(max(rowid), 0) FROM attempt").fetchone()[0]
        )

    def _unpriced_after(self, row: int) -> int:
        return int(
            self.connection.execute(
                "SELECT count(*) FROM attempt WHERE rowid > ? AND usd IS NULL "
                "AND uncached IS NOT NULL",
                (row,),
            ).fetchone()[0]
        )


_UNKNOWN = (None, None, None, None, None)


def _unpriced(row: _Row) -> bool:
    return row[_USD] is None and row[_UNCACHED] is not None
