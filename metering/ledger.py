"""The ledger: every attempt once, exactly priced, in SQLite; totals by tenant, model and period.

Spans are the billing record. Beside them lies what counters grew by, booked by the hour and by
vantage; the sources are compared, never added up. Periods are half-open in UTC.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any, cast

from metering.attempts import Batch, Recorded
from metering.buckets import Buckets
from metering.group_commit import GroupCommit
from metering.ledger_questions import (
    BUCKETS,
    COUNTED,
    PRICED_COUNTERS,
    PRICED_SPANS,
    TOTALS,
    buckets,
    counted_total,
    grouping,
    literal,
    priced_usage,
)
from metering.ledger_schema import MIGRATIONS
from metering.money import EXACT, DecimalSum, money, plain
from metering.prices import GpuPrice, PriceBook, TokenPrice, Unpriced
from metering.totals import GpuTotal, PricedUsage, Total
from store.database import Database
from vocabulary.usage import UsageBatch, UsageSpan

VANTAGES = ("gateway", "client", "engine")
"""Best first: the first that saw an attempt in a period is the one that is charged."""
HOUR = 3600
BY_DEFAULT = ("tenant", "model")
_CACHE_KIB = 16_384
"""Of pages: attempt ids are random, so their index is written all over; SQLite's own 2 MiB hold
that of 40,000 attempts."""
_Batch = tuple[UsageBatch, float]
"""Spans of one caller, and when they came."""


@dataclass(frozen=True, slots=True)
class Booking:
    """Growth of counters in one hour, as the meter books it."""

    hour: int
    """Unix second at which the hour begins."""
    vantage: str
    tenant: str
    model: str
    pool: str
    kind: str
    """`input`, `cached`, `output`, `usd`, `unpriced`, `operations`, `operations_failed`,
    `attempts`, `attempts_failed`, `gpu_seconds`, `gpu_usd`."""
    amount: Decimal
    price: TokenPrice | GpuPrice | None = None


class Ledger:
    """Usage in one SQLite file, durable when a call returns.

    Args:
        path: The file; made when missing.
        book: Prices of what is recorded from now on.
        pool_of: The pool behind a served model, empty when not known.

    Raises:
        StoreError: The file cannot be opened.
    """

    def __init__(
        self, path: Path, book: PriceBook, pool_of: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.book = book
        self._pool_of = pool_of
        self._database = Database(path, MIGRATIONS)
        with self._database.transaction() as connection:
            # typeshed knows only aggregates that give int
            connection.create_aggregate("decimal_sum", 1, cast("Any", DecimalSum))
            connection.create_function("decimal_add", 2, _add, deterministic=True)
        self._database.query(f"PRAGMA cache_size = {-_CACHE_KIB}")
        self._recording = GroupCommit(self._record_all)

    def record(self, spans: Iterable[UsageSpan], now: float) -> Recorded:
        """Take *spans*, each attempt once, all together; *now* dates the booking.

        Callers that wait at the same time share one commit, and with it one wait for the disk.

        Raises:
            StoreError: They could not be made durable; nothing of them was kept.
        """
        return self._recording.join((UsageBatch.of(spans), now))

    def _record_all(self, batches: Sequence[_Batch]) -> list[Recorded]:
        with self._database.transaction() as connection:
            return [
                Batch(connection, self.book, self._pool_of, self._price_id, now).record(spans)
                for spans, now in batches
            ]

    def price_unpriced(self, now: float) -> int:
        """Charge what had no price when it came and has one in the book now; gives how many.

        What was charged stays as it was: a new price list never changes an old charge.
        """
        rows = self._database.query(
            "SELECT * FROM attempt WHERE usd IS NULL AND uncached IS NOT NULL"
        )
        with self._database.transaction() as connection:
            return sum(self._charge(connection, row, now) for row in rows)

    def conflicts(self) -> int:
        """Attempts told in more than one way, each telling after the first counted."""
        return int(self._database.query("SELECT COUNT(*) FROM conflict")[0][0])

    def best_vantage(self, start: float, end: float) -> str:
        """The vantage whose attempts are charged in [start, end); empty when none saw any."""
        for vantage in VANTAGES:
            if self._database.query(
                "SELECT 1 FROM attempt WHERE vantage = ? AND at >= ? AND at < ? LIMIT 1",
                vantage, start, end,
            ):  # fmt: skip
                return vantage
        return ""

    def totals(
        self, start: float, end: float, by: Sequence[str] = BY_DEFAULT, vantage: str = ""
    ) -> list[Total]:
        """Attempts that began in [start, end), seen from one *vantage* (empty: the best)."""
        seen = vantage or self.best_vantage(start, end)
        rows = self._database.query(TOTALS, *grouping(by), seen, start, end)
        return [
            Total(
                row["tenant"], row["model"], row["pool"],
                Buckets(*(row[name] or 0 for name in BUCKETS)),
                row["operations"], row["operations"] - row["succeeded"],
                row["attempts"], row["failed"], row["unreported"],
                None if row["usd"] is None else Decimal(row["usd"]),
                row["unpriced"] or 0,
                self._sources(row["prices"]),
            )
            for row in rows
        ]  # fmt: skip

    def counted(
        self, start: float, end: float, by: Sequence[str] = BY_DEFAULT, vantage: str = "gateway"
    ) -> list[Total]:
        """What counters of *vantage* grew by in the hours that begin in [start, end)."""
        groups: dict[tuple[str, str, str], dict[str, Decimal]] = {}
        sources: dict[tuple[str, str, str], set[str]] = {}
        for row in self._counted(start, end, by, vantage):
            key = (row["tenant"], row["model"], row["pool"])
            groups.setdefault(key, {})[row["kind"]] = Decimal(row["amount"])
            sources.setdefault(key, set()).update(filter(None, (row["prices"] or "").split(",")))
        return [
            counted_total(key, kinds, self._sources(",".join(sorted(sources[key]))))
            for key, kinds in sorted(groups.items())
            if not kinds.keys() <= {"gpu_seconds", "gpu_usd"}
        ]

    def priced(self, start: float, end: float, vantage: str, source: str) -> list[PricedUsage]:
        """Usage of [start, end) by the rates it was charged at, from `spans` or `counters`."""
        if source == "spans":
            rows = self._database.query(PRICED_SPANS, vantage, start, end)
            return [priced_usage(row, buckets(row), long=bool(row["long"])) for row in rows]
        rows = self._database.query(PRICED_COUNTERS, vantage, start, end)
        found = []
        for row in rows:
            inputs, cached, output = (
                int(Decimal(row[name] or 0)) for name in ("input", "cached", "generated")
            )
            cached = min(cached, inputs)
            found.append(
                priced_usage(row, Buckets(inputs - cached, cached, 0, output, 0), long=False)
            )
        return found

    def gpu_totals(self, start: float, end: float) -> list[GpuTotal]:
        """GPU time held in the hours that begin in [start, end), by pool and model."""
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for row in self._counted(start, end, ("model", "pool"), "gpu"):
            found.setdefault((row["pool"], row["model"]), {})[row["kind"]] = row
        return [
            GpuTotal(
                *key,
                Decimal(rows["gpu_seconds"]["amount"]),
                Decimal(rows["gpu_usd"]["amount"]) if "gpu_usd" in rows else None,
                self._sources(rows["gpu_usd"]["prices"]) if "gpu_usd" in rows else (),
            )
            for key, rows in sorted(found.items())
        ]

    def spending(self, start: float, end: float, **match: str) -> list[tuple[int, Decimal]]:
        """(hour, USD) of token usage by counters where tenant, model and pool match."""
        rows = self._database.query(
            "SELECT hour, decimal_sum(amount) AS amount FROM counted WHERE kind = 'usd' "
            "AND hour >= ? AND hour < ? AND tenant GLOB ? AND model GLOB ? AND pool GLOB ? "
            "GROUP BY hour ORDER BY hour",
            start, end, *(literal(match.get(name, "")) for name in ("tenant", "model", "pool")),
        )  # fmt: skip
        return [(row["hour"], Decimal(row["amount"])) for row in rows]

    def book_counters(
        self, bookings: Iterable[Booking], readings: Mapping[str, tuple[float, float]]
    ) -> None:
        """Add *bookings* and remember the *readings* they rest on, in one commit.

        So a crash between two commits neither loses growth nor counts it twice.
        """
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO counted VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET amount = decimal_add(amount, excluded.amount)",
                [
                    (b.hour, b.vantage, b.tenant, b.model, b.pool, b.kind,
                     self._price_id(connection, b.price), plain(b.amount))
                    for b in bookings
                ],
            )  # fmt: skip
            connection.executemany(
                "INSERT OR REPLACE INTO reading VALUES (?, ?, ?)",
                [(series, value, at) for series, (value, at) in readings.items()],
            )

    def readings(self) -> dict[str, tuple[float, float]]:
        """The last value and time of every metered series, as last committed."""
        rows = self._database.query("SELECT series, value, at FROM reading")
        return {row["series"]: (row["value"], row["at"]) for row in rows}

    def rows(self, question: str, *values: object) -> list[Row]:
        """Rows of a question in SQL; `decimal_sum` adds amounts."""
        return self._database.query(question, *values)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _charge(self, connection: Connection, row: Row, now: float) -> bool:
        price = self.book.token_price(row["model"], row["provider"])
        if isinstance(price, Unpriced):
            return False
        connection.execute(
            "UPDATE told SET usd = ?, price_id = ?, booked_at = ? WHERE attempt_id = ?",
            (plain(price.cost(buckets(row))), self._price_id(connection, price), now,
             row["attempt_id"]),
        )  # fmt: skip
        return True

    def _price_id(self, connection: Connection, price: TokenPrice | GpuPrice | None) -> int:
        if price is None:
            return 0
        key = price.key if isinstance(price, TokenPrice) else f"gpu: {price.source}"
        rates = json.dumps(asdict(price), default=str)
        connection.execute(
            "INSERT OR IGNORE INTO price (snapshot, key, rates, source, dated) "
            "VALUES (?, ?, ?, ?, ?)",
            (self.book.snapshot, key, rates, price.source, price.date),
        )
        found = connection.execute(
            "SELECT id FROM price WHERE snapshot = ? AND key = ?", (self.book.snapshot, key)
        ).fetchone()
        return int(found[0])

    def _sources(self, ids: str | None) -> tuple[tuple[str, str], ...]:
        wanted = {int(one) for one in (ids or "").split(",") if one}
        rows = self._database.query("SELECT id, source, dated FROM price")
        return tuple(sorted({(r["source"], r["dated"]) for r in rows if r["id"] in wanted}))

    def _counted(self, start: float, end: float, by: Sequence[str], vantage: str) -> list[Row]:
        return self._database.query(COUNTED, *grouping(by), vantage, start, end)


def _add(left: Any, right: Any) -> str:
    return plain(EXACT.add(money(left), money(right)))
