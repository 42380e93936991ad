"""Fast recording: whole-number charges equal Decimal ones, commits are shared, old files go on."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.buckets import Buckets
from metering.group_commit import GroupCommit
from metering.ledger import Ledger
from metering.ledger_schema import MIGRATIONS
from metering.money import plain
from metering.prices import Rates, TokenPrice, load_book
from metering.tariff import tariff
from store.database import Database
from vocabulary.errors import StoreError
from vocabulary.usage import UsageBatch, UsageSpan

DAY = 86_400.0
BOOK = load_book()
CALL = UsageSpan(
    attempt_id="t1:s1", operation_id="t1", tenant="acme", model_requested="chat",
    model_served="gpt-4o", provider="openai", vantage="gateway", at=100.0, duration=2.0,
    input_tokens=1000, output_tokens=200, cached_input_tokens=400,
)  # fmt: skip
RATE = st.decimals(0, 1000, places=12, allow_nan=False).map(lambda rate: rate.scaleb(-6))
RATES = st.builds(Rates, RATE, RATE, RATE, RATE, RATE)
COUNT = st.integers(0, 10**9)


@given(RATES, st.one_of(st.none(), RATES), st.tuples(COUNT, COUNT, COUNT, COUNT, COUNT),
       st.integers(0, 10**9))  # fmt: skip
def test_a_tariff_charges_what_the_price_costs(
    rates: Rates, above: Rates | None, used: tuple[int, int, int, int, int], limit: int
) -> None:
    price = TokenPrice("m", rates, "source", "date", None if above is None else limit, above)
    assert tariff(price).usd(used) == plain(price.cost(Buckets(*used)))


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "gpt-5.5", "claude-opus-5"])
def test_shipped_prices_charge_the_same_in_whole_numbers(model: str) -> None:
    price = BOOK.token_price(model)
    assert isinstance(price, TokenPrice)
    for used in ((0, 0, 0, 0, 0), (1, 2, 3, 4, 5), (300_000, 1, 0, 7, 0)):
        assert tariff(price).usd(used) == plain(price.cost(Buckets(*used)))


def test_a_file_of_the_first_version_goes_on_with_all_it_held(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    old = Database(path, MIGRATIONS[:1])
    with old.transaction() as connection:
        connection.execute("INSERT INTO price VALUES (1, 's', 'gpt-4o', '{}', 'list', '2026-11')")
        for one, usd in ((CALL, "0.0040"), (replace(CALL, attempt_id="t2:s1"), None)):
            connection.execute(
                f"INSERT INTO attempt VALUES ({', '.join('?' * 21)})",
                (one.attempt_id, one.content_hash, one.operation_id, one.tenant, "gpt-4o",
                 one.model_requested, "", one.provider, one.vantage, one.at, one.duration,
                 600, 400, 0, 200, 0, one.status, one.error_type, one.operation,
                 one.conversation, one.agent),
            )  # fmt: skip
            if usd is not None:
                connection.execute(
                    "INSERT INTO charge VALUES (?, ?, 1, 150.0)", (one.attempt_id, usd)
                )
    old.close()
    ledger = Ledger(path, BOOK)
    (before,) = ledger.totals(0, DAY)
    assert (before.attempts, before.usd, before.unpriced_tokens) == (2, Decimal("0.0040"), 1200)
    assert ledger.record([CALL], 300.0).repeated == 1, "told before, in the old file"
    assert ledger.record([replace(CALL, output_tokens=9)], 300.0).conflicting == 1
    assert ledger.price_unpriced(400.0) == 1
    (after,) = ledger.totals(0, DAY)
    assert (after.attempts, after.usd, after.unpriced_tokens) == (2, Decimal("0.0080"), 0)
    ledger.close()


def test_one_batch_may_hold_what_is_new_repeated_contradicted_and_unpriced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    ledger.record([CALL], 200.0)
    fresh = replace(CALL, attempt_id="t1:s2")
    batch = [
        CALL,
        fresh,
        fresh,
        replace(fresh, status="error"),
        replace(CALL, attempt_id="t1:s3", model_served="own-9b"),
    ]
    done = ledger.record(batch, 300.0)
    assert (done.new, done.repeated, done.conflicting, done.unpriced) == (2, 2, 1, 1)
    assert ledger.record(batch, 400.0).repeated == 5
    assert ledger.conflicts() == 1
    ledger.close()


def test_callers_that_wait_together_share_one_commit() -> None:
    commits: list[int] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def commit(given: Sequence[int]) -> list[int]:
        commits.append(len(given))
        first_is_in.set()
        go_on.wait(10)
        return [10 * one for one in given]

    group = GroupCommit(commit)
    results: dict[int, int] = {}

    def call(number: int) -> None:
        results[number] = group.join(number)

    threads = [threading.Thread(target=call, args=(0,))]
    threads[0].start()
    assert first_is_in.wait(10)
    threads += [threading.Thread(target=call, args=(number,)) for number in range(1, 9)]
    for one in threads[1:]:
        one.start()
    while len(group._waiting) < 8:
        threading.Event().wait(0.005)
    go_on.set()
    for one in threads:
        one.join(10)
    assert commits == [1, 8], "eight waited for one disk write, and then needed one"
    assert results == {number: 10 * number for number in range(9)}


def test_a_commit_that_fails_is_told_to_all_who_shared_it_and_the_next_goes_on() -> None:
    broken = True

    def commit(given: Sequence[int]) -> list[int]:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        return list(given)

    group = GroupCommit(commit)
    with pytest.raises(StoreError, match="disk is full"):
        group.join(1)
    broken = False
    assert group.join(2) == 2


def test_a_full_disk_is_a_store_error_and_keeps_nothing_of_the_batch(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    ledger.rows("PRAGMA max_page_count = 20")
    many = [replace(CALL, attempt_id=f"t{n}:s", error_type="x" * 200) for n in range(2000)]
    with pytest.raises(StoreError, match="full"):
        ledger.record(many, 200.0)
    assert ledger.totals(0, DAY) == []
    ledger.rows("PRAGMA max_page_count = 100000")
    assert ledger.record(many, 200.0).new == 2000
    ledger.close()


def test_many_threads_record_each_attempt_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    spans = [replace(CALL, attempt_id=f"t{n}:s") for n in range(200)]
    new: list[int] = []

    def record() -> None:
        new.extend(ledger.record(spans[n : n + 20], 1.0).new for n in range(0, 200, 20))

    threads = [threading.Thread(target=record) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sum(new) == 200
    (found,) = ledger.totals(0, DAY)
    assert found.attempts == 200
    ledger.close()


def test_a_batch_of_rows_is_the_spans_it_was_made_of() -> None:
    spans = [CALL, replace(CALL, attempt_id="t1:s2", agent="a1", reasoning_tokens=3)]
    batch = UsageBatch.of(spans)
    assert (list(batch), batch[1], list(batch[:1])) == (spans, spans[1], spans[:1])
    assert UsageBatch.of(batch) is batch


def test_what_attempts_have_in_common_is_written_down_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    for start in (0, 50):
        ledger.record([replace(CALL, attempt_id=f"t{n}:s") for n in range(start, start + 50)], 1.0)
    ledger.record([replace(CALL, attempt_id="t1:failed", status="error")], 1.0)
    assert [tuple(row) for row in ledger.rows("SELECT count(*) FROM kind")] == [(2,)]
    (found,) = ledger.totals(0, DAY)
    assert (found.attempts, found.attempts_failed) == (101, 1)
    ledger.close()
