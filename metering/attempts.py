"""Attempts as rows of the ledger: each once, charged as it comes, a batch at a time.

What many attempts have in common, their kind, is looked up once a batch. Whether an attempt was
told before is asked of the table itself, by inserting: where everything is new, which is nearly
always, nothing more is asked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from sqlite3 import Connection
from typing import Any

from metering.buckets import counts
from metering.prices import PriceBook, TokenPrice, Unpriced
from metering.tariff import Tariff, tariff
from vocabulary.usage import UsageBatch, UsageRow, UsageSpan

_Row = tuple[Any, ...]
_TOLD = (
    "attempt_id, operation_id, at, duration, uncached, cache_read, cache_write, output, reasoning, "
    "conversation, agent, tenant, model, model_requested, provider, vantage, status, error_type, "
    "operation"
)
"""What a span tells; equal here is equal, whatever pool or price we put beside it."""
_KIND = "tenant, model, model_requested, pool, provider, vantage, status, error_type, operation"
_INSERT_KIND = f"INSERT OR IGNORE INTO kind ({_KIND}) VALUES ({', '.join('?' * 9)})"  # noqa: S608
_KIND_ID = f"SELECT kind_id FROM kind WHERE ({_KIND}) = ({', '.join('?' * 9)})"  # noqa: S608
_INSERT = f"INSERT INTO told VALUES ({', '.join('?' * 16)}) ON CONFLICT (attempt_id) DO NOTHING"  # noqa: S608
_INSERT_CALLER = f"INSERT OR IGNORE INTO caller VALUES ({', '.join('?' * 9)})"  # noqa: S608
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

    def record(self, spans: UsageBatch) -> Recorded:
        """Insert what is new; park what contradicts what was told before."""
        newest = self._newest()
        self.connection.executemany(_INSERT, self._rows(spans.rows))
        self.connection.executemany(_INSERT_CALLER, map(astuple, spans.callers))
        new = self._newest() - newest  # nothing is ever deleted, so rows are numbered in a row
        unpriced = self._unpriced_after(newest)
        if new == len(spans):
            return Recorded(new, unpriced=unpriced)
        told = self._told([row[0] for row in spans.rows])
        parked = sum(
            self._park(span)
            for span, row in zip(spans, spans.rows, strict=True)
            if told[row[0]] != _as_told(row)
        )
        return Recorded(new, len(spans) - new - parked, parked, unpriced)

    def _rows(self, spans: Sequence[UsageRow]) -> Iterator[_Row]:
        terms: dict[tuple[str, ...], tuple[int, Tariff | None, int | None]] = {}
        now = self.now
        for (
            attempt, operation_id, tenant, asked, served, provider, vantage, at, duration,
            inputs, outputs, cached, written, reasoning, status, error, operation, conversation,
            agent, parent,
        ) in spans:  # fmt: skip
            kind = (tenant, asked, served, provider, vantage, status, error, operation)
            found = terms.get(kind)
            if found is None:
                found = terms[kind] = self._terms(*kind)
            kind_id, price, price_id = found
            used = counts(inputs, outputs, cached, written, reasoning)
            usd = None if used is None or price is None else price.usd(used)
            uncached, read, write, output, thought = used or _UNKNOWN
            yield (
                attempt, operation_id, kind_id, at, duration, uncached, read, write, output,
                thought, conversation, agent, usd, None if usd is None else price_id,
                None if usd is None else now, parent,
            )  # fmt: skip

    def _terms(
        self, tenant: str, asked: str, served: str, provider: str, *rest: str
    ) -> tuple[int, Tariff | None, int | None]:
        """Id, tariff and price of one kind of attempt."""
        model = served or asked
        kind = (tenant, model, asked, self.pool_of(model), provider, *rest)
        self.connection.execute(_INSERT_KIND, kind)
        kind_id = int(self.connection.execute(_KIND_ID, kind).fetchone()[0])
        price = self.book.token_price(model, provider)
        if isinstance(price, Unpriced):
            return kind_id, None, None
        return kind_id, tariff(price), self.price_id(self.connection, price)

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
        return int(self.connection.execute("SELECT ifnull(max(rowid), 0) FROM told").fetchone()[0])

    def _unpriced_after(self, row: int) -> int:
        return int(
            self.connection.execute(
                "SELECT count(*) FROM told WHERE rowid > ? AND usd IS NULL "
                "AND uncached IS NOT NULL",
                (row,),
            ).fetchone()[0]
        )


_UNKNOWN = (None, None, None, None, None)


def _as_told(row: UsageRow) -> _Row:
    """What _TOLD reads of the attempt that *row* tells."""
    (
        attempt, operation_id, tenant, asked, served, provider, vantage, at, duration,
        inputs, outputs, cached, written, reasoning, status, error, operation, conversation,
        agent, _,
    ) = row  # fmt: skip
    used = counts(inputs, outputs, cached, written, reasoning) or _UNKNOWN
    return (
        attempt, operation_id, at, duration, *used, conversation, agent, tenant, served or asked,
        asked, provider, vantage, status, error, operation,
    )  # fmt: skip
