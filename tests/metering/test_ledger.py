"""The ledger: each attempt once, whatever is delivered how often in whatever order."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.buckets import Buckets, buckets_of
from metering.ledger import Booking, Ledger
from metering.money import total
from metering.prices import PriceBook, TokenPrice, load_book
from metering.totals import Total
from vocabulary.usage import UsageSpan

DAY = 86_400.0
CALL = UsageSpan(
    attempt_id="t1:s1", operation_id="t1", tenant="acme", model_requested="chat",
    model_served="gpt-4o", provider="openai", vantage="gateway", at=100.0, duration=2.0,
    input_tokens=1000, output_tokens=200, cached_input_tokens=400,
)  # fmt: skip
BOOK = load_book()
WITHOUT_PRICES = PriceBook([])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.sqlite", BOOK)
    yield made
    made.close()


def only(totals: list[Total]) -> Total:
    assert len(totals) == 1
    return totals[0]


def test_charges_disjoint_buckets_exactly(ledger: Ledger) -> None:
    assert ledger.record([CALL], now=200.0).new == 1
    found = only(ledger.totals(0, DAY))
    assert found.used == Buckets(uncached=600, cache_read=400, output=200)
    assert found.usd == Decimal("0.0040")
    assert found.prices == (("LiteLLM 1.109.1, model_prices_and_context_window.json", "2026-11"),)


def test_the_same_delivery_again_changes_nothing(ledger: Ledger) -> None:
    ledger.record([CALL], 200.0)
    before = ledger.totals(0, DAY)
    again = ledger.record([CALL, CALL], 300.0)
    assert (again.repeated, again.new, again.conflicting) == (2, 0, 0)
    assert ledger.totals(0, DAY) == before


def test_another_telling_of_an_attempt_is_parked_and_counted(ledger: Ledger) -> None:
    ledger.record([CALL], 200.0)
    other = replace(CALL, output_tokens=999)
    assert ledger.record([other, other], 201.0).conflicting == 1
    assert ledger.conflicts() == 1
    assert only(ledger.totals(0, DAY)).used.output == 200


def test_a_retry_is_one_operation_two_attempts_and_the_cost_of_one(ledger: Ledger) -> None:
    refused = replace(
        CALL, attempt_id="t1:s0", at=99.0, status="error", error_type="429",
        input_tokens=None, output_tokens=None, cached_input_tokens=None,
    )  # fmt: skip
    ledger.record([refused, CALL], 200.0)
    found = only(ledger.totals(0, DAY))
    assert (found.operations, found.operations_failed) == (1, 0)
    assert (found.attempts, found.attempts_failed, found.unreported) == (2, 1, 1)
    assert found.usd == Decimal("0.0040")


def test_a_failed_attempt_that_used_tokens_is_charged(ledger: Ledger) -> None:
    ledger.record([replace(CALL, status="error", error_type="stream_cut")], 200.0)
    found = only(ledger.totals(0, DAY))
    assert (found.operations_failed, found.usd) == (1, Decimal("0.0040"))


def test_an_unknown_price_is_counted_and_never_zero(ledger: Ledger) -> None:
    recorded = ledger.record([replace(CALL, model_served="own-9b", model_requested="")], 200.0)
    assert (recorded.new, recorded.unpriced) == (1, 1)
    found = only(ledger.totals(0, DAY))
    assert (found.usd, found.unpriced_tokens, found.prices) == (None, 1200, ())


def test_a_price_found_later_charges_what_was_unpriced_and_nothing_else(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", WITHOUT_PRICES)
    ledger.record([CALL], 200.0)
    ledger.book = BOOK
    assert (ledger.price_unpriced(300.0), ledger.price_unpriced(301.0)) == (1, 0)
    dear = PriceBook([{"tokens": {"gpt-4o": {"input": "1000", "output": "1000"}}}])
    ledger.book = dear
    ledger.record([CALL], 400.0)
    assert ledger.price_unpriced(401.0) == 0
    assert only(ledger.totals(0, DAY)).usd == Decimal("0.0040")
    ledger.close()


def test_charges_by_what_was_served_and_falls_back_to_what_was_asked_for(ledger: Ledger) -> None:
    ledger.record([replace(CALL, model_served="", model_requested="gpt-4o-mini")], 200.0)
    assert only(ledger.totals(0, DAY)).model == "gpt-4o-mini"


def test_one_request_seen_at_two_vantages_is_charged_once(ledger: Ledger) -> None:
    seen_below = replace(CALL, attempt_id="t1:s9", vantage="engine", tenant="unknown")
    ledger.record([CALL, seen_below], 200.0)
    found = only(ledger.totals(0, DAY))
    assert (found.tenant, found.attempts) == ("acme", 1)
    assert only(ledger.totals(0, DAY, vantage="engine")).tenant == "unknown"


def test_periods_are_half_open(ledger: Ledger) -> None:
    ledger.record([replace(CALL, at=DAY)], 0.0)
    assert ledger.totals(0, DAY) == []
    assert only(ledger.totals(DAY, 2 * DAY)).attempts == 1


def test_what_was_recorded_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    first = Ledger(path, BOOK, pool_of=lambda model: f"llm/{model}")
    first.record([CALL], 200.0)
    before = first.totals(0, DAY, ("tenant", "pool"))
    first.close()
    second = Ledger(path, BOOK)
    assert second.totals(0, DAY, ("tenant", "pool")) == before
    assert before[0].pool == "llm/gpt-4o"
    assert second.record([CALL], 300.0).repeated == 1
    second.close()


@pytest.mark.parametrize(
    ("span", "buckets"),
    [
        (replace(CALL, cached_input_tokens=1500), Buckets(1000, 1500, 0, 200, 0)),
        (replace(CALL, cache_write_tokens=100), Buckets(500, 400, 100, 200, 0)),
        (replace(CALL, reasoning_tokens=150), Buckets(600, 400, 0, 50, 150)),
        (replace(CALL, output_tokens=None), Buckets(600, 400, 0, 0, 0)),
    ],
)
def test_parts_are_taken_out_of_their_whole_or_stand_beside_it(
    span: UsageSpan, buckets: Buckets
) -> None:
    assert buckets_of(span) == buckets


COUNTS = st.one_of(st.none(), st.integers(0, 10**9))
SPANS = st.builds(
    UsageSpan,
    attempt_id=st.integers(0, 25).map(str),
    operation_id=st.integers(0, 8).map(str),
    tenant=st.sampled_from(["acme", "zeta", "unknown"]),
    model_requested=st.just("chat"),
    model_served=st.sampled_from(["gpt-4o", "gpt-5.5", "own-9b", "claude-opus-5", ""]),
    provider=st.just(""),
    vantage=st.sampled_from(["gateway", "client"]),
    at=st.floats(0, 2 * DAY),
    duration=st.just(1.0),
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cached_input_tokens=COUNTS,
    cache_write_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    status=st.sampled_from(["ok", "error"]),
)


@given(SPANS)
def test_buckets_sum_to_what_the_provider_counted(span: UsageSpan) -> None:
    used = buckets_of(span)
    if used is None:
        assert span.input_tokens is None
        assert span.output_tokens is None
        return
    parts = (span.cached_input_tokens or 0) + (span.cache_write_tokens or 0)
    whole = span.input_tokens or 0
    assert used.input_total == (whole if parts <= whole else whole + parts)
    assert used.all == used.input_total + used.output_total
    assert min(used.uncached, used.cache_read, used.cache_write, used.output, used.reasoning) >= 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SPANS, max_size=30, unique_by=lambda s: s.attempt_id), st.randoms())
def test_a_log_replayed_twice_in_any_order_gives_the_same_totals(
    tmp_path_factory: pytest.TempPathFactory, spans: list[UsageSpan], random: Random
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    once, shuffled = Ledger(folder / "a.sqlite", BOOK), Ledger(folder / "b.sqlite", BOOK)
    once.record(spans, 0.0)
    log = spans * 2
    random.shuffle(log)
    for span in log:
        shuffled.record([span], 1.0)
    for vantage in ("gateway", "client"):
        by_line = once.totals(0, 3 * DAY, ("tenant", "model"), vantage)
        assert shuffled.totals(0, 3 * DAY, ("tenant", "model"), vantage) == by_line
        whole = once.totals(0, 3 * DAY, (), vantage)
        assert total(t.usd for t in whole if t.usd) == total(t.usd for t in by_line if t.usd)
        days = [once.totals(d * DAY, (d + 1) * DAY, (), vantage) for d in range(3)]
        assert sum(t.attempts for day in days for t in day) == sum(t.attempts for t in whole)
    assert shuffled.conflicts() == 0
    once.close()
    shuffled.close()


def test_bookings_add_up_exactly_and_name_their_price(ledger: Ledger) -> None:
    price = BOOK.token_price("gpt-4o")
    assert isinstance(price, TokenPrice)
    one = Booking(3600, "gateway", "acme", "gpt-4o", "", "usd", Decimal("0.1"), price)
    for _ in range(3):
        ledger.book_counters([one, replace(one, kind="input", amount=Decimal(10), price=None)], {})
    found = only(ledger.counted(0, DAY))
    assert (found.usd, found.used.uncached) == (Decimal("0.3"), 30)
    assert found.prices[0][1] == "2026-11"
    assert ledger.counted(0, 3600) == []
    assert ledger.spending(0, DAY, tenant="acme") == [(3600, Decimal("0.3"))]
    assert ledger.spending(0, DAY, tenant="ac*") == []
