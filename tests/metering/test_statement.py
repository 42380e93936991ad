"""Statements, reconciliation and budgets: lines sum, sources are compared, money has a rhythm."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.budgets import Budget, budgets_of, period_around, status
from metering.ledger import HOUR, Booking, Ledger
from metering.prices import TokenPrice, load_book
from metering.reconciliation import verify
from metering.statement import as_csv, as_json, rows, statement
from vocabulary.errors import ConfigError
from vocabulary.usage import UsageSpan

DAY = 86_400.0
BOOK = load_book(demo=True)
CALL = UsageSpan(
    attempt_id="1", operation_id="1", tenant="acme", model_requested="", model_served="chat-70b",
    provider="", vantage="gateway", at=100.0, duration=1.0, input_tokens=10, output_tokens=0,
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.sqlite", BOOK)
    yield made
    made.close()


def book(
    ledger: Ledger, kind: str, amount: str, *, hour: int = 0, vantage: str = "gateway",
    model: str = "chat-70b", tenant: str = "acme",
) -> None:  # fmt: skip
    price = BOOK.token_price(model) if kind == "usd" else None
    assert price is None or isinstance(price, TokenPrice)
    ledger.book_counters(
        [Booking(hour, vantage, tenant, model, "", kind, Decimal(amount), price)], {}
    )


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=12))
def test_printed_lines_sum_to_the_printed_total(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "usage.sqlite", BOOK)
    ledger.record(
        [
            replace(CALL, attempt_id=str(i), tenant=f"t{i}", input_tokens=n)
            for i, n in enumerate(counts)
        ],
        0.0,
    )
    made = statement(ledger, 0, DAY)
    exact = Decimal(sum(counts)) * Decimal("6E-7")
    assert sum(line.usd or Decimal(0) for line in made.lines) == made.usd
    assert made.usd == exact.quantize(Decimal("0.01"))
    assert sum(Decimal(row["usd_exact"]) for row in rows(made)) == exact
    ledger.close()


def test_a_row_says_everything_about_its_line(ledger: Ledger) -> None:
    ledger.record([replace(CALL, input_tokens=10**6, cached_input_tokens=10**5)], 0.0)
    (row,) = rows(statement(ledger, 0, DAY))
    assert (row["period_start"], row["period_end"]) == (
        "1970-01-01T00:00:00.000Z", "1970-01-02T00:00:00.000Z",
    )  # fmt: skip
    assert (row["input_tokens"], row["cached_input_tokens"]) == (10**6, 10**5)
    assert (row["usd"], row["usd_exact"]) == ("0.56", "0.555")
    assert (row["price_source"], row["price_date"]) == (
        "demo price, made up for the simulation", "2026-11-23",
    )  # fmt: skip


def test_unpriced_usage_has_no_amount_and_stays_visible(ledger: Ledger) -> None:
    ledger.record([replace(CALL, model_served="own-9b")], 0.0)
    made = as_json(statement(ledger, 0, DAY))
    assert (made["total_usd"], made["unpriced_tokens"]) == (None, 10)
    assert made["lines"][0]["usd"] is None


def test_counters_take_over_where_few_calls_send_spans(ledger: Ledger) -> None:
    ledger.record([CALL], 0.0)
    assert statement(ledger, 0, DAY).source == "spans"
    book(ledger, "input", "1000")
    book(ledger, "usd", "0.0006")
    made = statement(ledger, 0, DAY)
    assert (made.source, made.vantage, made.lines[0].what.usd) == (
        "counters", "gateway", Decimal("0.0006"),
    )  # fmt: skip
    assert statement(ledger, 0, DAY, source="spans").lines[0].what.used.uncached == 10


def test_engines_speak_where_there_is_no_gateway(ledger: Ledger) -> None:
    book(ledger, "output", "70", vantage="engine", tenant="")
    made = statement(ledger, 0, DAY)
    assert (made.vantage, made.lines[0].what.used.output) == ("engine", 70)


def test_a_spreadsheet_runs_nothing_that_a_tenant_wrote(ledger: Ledger) -> None:
    ledger.record([replace(CALL, tenant='=cmd|"/c calc"!A1')], 0.0)
    table = list(csv.DictReader(io.StringIO(as_csv(statement(ledger, 0, DAY)))))
    assert table[0]["tenant"].startswith("'=")
    assert as_csv(statement(ledger, DAY, 2 * DAY)).startswith("period_start,")


def test_gpu_time_stands_beside_the_tokens(ledger: Ledger) -> None:
    price = BOOK.gpu_price("NVIDIA H100")
    who = (0, "gpu", "", "chat-70b", "llm/chat")
    bookings = [Booking(*who, "gpu_seconds", Decimal(3600))]
    ledger.book_counters([*bookings, Booking(*who, "gpu_usd", Decimal("6.88"), price)], {})  # type: ignore[arg-type]
    (row,) = as_json(statement(ledger, 0, DAY))["gpu_time"]
    assert (row["pool"], row["gpu_seconds"], row["usd"]) == ("llm/chat", "3600", "6.88")
    assert row["usd_exact"] == "6.88"
    assert "p5.48xlarge" in row["price_source"]


def test_agreeing_sources_verify_and_a_missing_tenth_does_not(ledger: Ledger) -> None:
    ledger.record([replace(CALL, input_tokens=900, output_tokens=100)], 0.0)
    for vantage, tokens in (("gateway", "1000"), ("engine", "1002")):
        book(ledger, "input", tokens, vantage=vantage)
    found = verify(ledger, 0, DAY)
    assert found.sound
    assert found.models[0].capture_ratio == pytest.approx(1000 / 1002)
    book(ledger, "input", "100", vantage="engine")
    worse = verify(ledger, 0, DAY)
    assert (worse.sound, worse.models[0].agrees) == (False, False)


def test_verification_knows_what_it_does_not_know(ledger: Ledger) -> None:
    assert verify(ledger, 0, DAY).unpriced_ratio is None
    ledger.record([replace(CALL, model_served="own-9b")], 0.0)
    (found,) = verify(ledger, 0, DAY).models
    assert (found.gateway, found.engine, found.capture_ratio, found.agrees) == (None,) * 4
    assert verify(ledger, 0, DAY).unpriced_ratio == 1.0
    assert not verify(ledger, 0, DAY).sound


MONDAY = datetime(2026, 11, 2, tzinfo=UTC).timestamp()


def test_a_budget_is_judged_by_the_rhythm_of_the_weeks_before(ledger: Ledger) -> None:
    for day in range(-14, 1):  # office hours only, twice as much on Mondays
        if (day % 7) < 5:
            for hour in range(9, 17):
                at = int(MONDAY + day * DAY + hour * HOUR)
                book(ledger, "usd", "2" if day % 7 == 0 else "1", hour=at)
    budget = Budget("chat", Decimal(48), "week", model="chat-70b")
    evening = status(ledger, budget, MONDAY + 18 * HOUR)
    assert (evening.spent, evening.expected) == (Decimal(16), Decimal(16))
    assert evening.pace == 1.0
    noon = status(ledger, budget, MONDAY + 13 * HOUR)
    assert (noon.expected, noon.spent) == (Decimal(8), Decimal(8))
    assert "same hours" in noon.basis


def test_a_young_budget_goes_by_the_clock_and_says_so(ledger: Ledger) -> None:
    book(ledger, "usd", "3", hour=int(MONDAY))
    found = status(ledger, Budget("all", Decimal(10), "day"), MONDAY + DAY / 2)
    assert (found.spent, found.expected) == (Decimal(3), Decimal(5))
    assert "fewer than two weeks" in found.basis
    assert status(ledger, Budget("all", Decimal(10), "day"), MONDAY).pace is None


def test_a_budget_counts_only_what_it_is_for(ledger: Ledger) -> None:
    book(ledger, "usd", "3", hour=int(MONDAY))
    book(ledger, "usd", "4", hour=int(MONDAY), tenant="zeta")
    found = status(ledger, Budget("zeta", Decimal(10), tenant="zeta"), MONDAY + DAY)
    assert found.spent == Decimal(4)


def test_periods_are_calendar_periods_in_utc() -> None:
    moment = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()
    month = [datetime.fromtimestamp(t, UTC).isoformat() for t in period_around("month", moment)]
    assert month == ["2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"]
    assert period_around("week", MONDAY) == (MONDAY, MONDAY + 7 * DAY)
    assert period_around("week", MONDAY - 1) == (MONDAY - 7 * DAY, MONDAY)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "x"},
        {"name": "x", "usd": 0.1},
        {"name": "x", "usd": "0"},
        {"name": "x", "usd": "5", "period": "fortnight"},
        {"name": "x", "usd": "5", "tenent": "a"},
    ],
)
def test_a_list_that_holds_no_budget_is_refused_by_name(entry: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="budget x"):
        budgets_of([entry])


def test_budgets_are_read_as_written() -> None:
    made = budgets_of([{"name": "chat", "usd": "12.5", "period": "day", "tenant": "acme"}])
    assert made == (Budget("chat", Decimal("12.5"), "day", "acme"),)
