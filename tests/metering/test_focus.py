"""FOCUS rows: complete, arithmetically consistent, and in sum what the ledger charged."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.focus import COLUMNS, Issuer, as_csv, days, export
from metering.ledger import Ledger
from metering.meter import UsageMeter
from metering.money import total
from metering.prices import load_book
from vocabulary import metrics as m
from vocabulary.samples import Sample, Series, labels_of
from vocabulary.usage import UsageSpan

DAY = 86_400.0
BOOK = load_book(demo=True)
US = Issuer("platform team", "cluster-1")
CALL = UsageSpan(
    attempt_id="1", operation_id="1", tenant="acme", model_requested="", model_served="gpt-5.5",
    provider="", vantage="gateway", at=DAY / 2, duration=1.0, input_tokens=100_000,
    cached_input_tokens=40_000, cache_write_tokens=1_000, output_tokens=700, reasoning_tokens=200,
)  # fmt: skip
MANDATORY = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeDescription",
    "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "ServiceCategory", "ServiceName",
)  # fmt: skip
"""Columns that FOCUS 1.2 demands a value of in every row; ChargeClass is null in ordinary rows."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.sqlite", BOOK)
    yield made
    made.close()


def test_every_kind_of_token_has_a_row_of_its_own(ledger: Ledger) -> None:
    ledger.record([CALL], 0.0)
    rows = {row["SkuMeter"]: row for row in export(ledger, 0, DAY, US).rows}
    assert {name: row["ConsumedQuantity"] for name, row in rows.items()} == {
        "Input Tokens": "59000.0",
        "Cache Read Input Tokens": "40000.0",
        "Cache Write Input Tokens": "1000.0",
        "Output Tokens": "500.0",
        "Reasoning Output Tokens": "200.0",
    }
    read = rows["Cache Read Input Tokens"]
    assert (read["x_TokenDirection"], read["x_TokenCacheAction"]) == ("Input", "Read")
    assert (read["PricingQuantity"], read["ListUnitPrice"], read["ListCost"]) == (
        "0.04", "0.5", "0.02",
    )  # fmt: skip
    assert (read["BillingPeriodStart"], read["BillingPeriodEnd"]) == (
        "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z",
    )  # fmt: skip
    assert read["x_PriceSource"].startswith("LiteLLM")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 9_000)), max_size=8))
def test_rows_are_consistent_and_sum_to_what_was_charged(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, int]]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("focus") / "usage.sqlite", BOOK)
    spans = [
        replace(CALL, attempt_id=str(i), at=i * DAY / 3, input_tokens=size, output_tokens=made,
                cached_input_tokens=size // 3, cache_write_tokens=None, reasoning_tokens=None)
        for i, (size, made) in enumerate(calls)
    ]  # fmt: skip
    ledger.record(spans, 0.0)
    rows = export(ledger, 0, 4 * DAY, US, "spans").rows
    for row in rows:
        assert all(row[name] for name in MANDATORY)
        numbers = {
            name: Decimal(row[name]) for name in COLUMNS if re.search("Cost|Quant|Unit[P]", name)
        }
        assert numbers["ListUnitPrice"] * numbers["PricingQuantity"] == numbers["ListCost"]
        assert numbers["ConsumedQuantity"] == numbers["PricingQuantity"] * 10**6
        assert re.fullmatch(r"\d+\.\d+", row["ConsumedQuantity"])
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
    charged = total(one.usd for one in ledger.totals(0, 4 * DAY, ()) if one.usd is not None)
    assert total(Decimal(row["BilledCost"]) for row in rows) == charged
    ledger.close()


def test_counters_give_the_same_rows_where_there_are_no_spans(ledger: Ledger) -> None:
    meter = UsageMeter(BOOK, ledger)
    kinds = {m.INPUT_TOKENS: 1000.0, m.INPUT_TOKENS_CACHED: 300.0, m.OUTPUT_TOKENS: 50.0}
    for at, factor in ((0.0, 0.0), (60.0, 1.0)):
        meter.observe([
            Sample(Series(metric.name, labels_of({"vantage": "gateway", "tenant": "=acme",
                                                  "model": "chat-70b", "pool": "llm/chat"})),
                   value * factor, at)
            for metric, value in kinds.items()
        ])  # fmt: skip
    meter.flush()
    made = export(ledger, 0, DAY, US)
    assert {row["SkuMeter"]: row["ConsumedQuantity"] for row in made.rows} == {
        "Input Tokens": "700.0", "Cache Read Input Tokens": "300.0", "Output Tokens": "50.0",
    }  # fmt: skip
    (whole,) = ledger.counted(0, DAY, ())
    assert total(Decimal(row["BilledCost"]) for row in made.rows) == whole.usd
    table = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert list(table[0]) == list(COLUMNS)
    assert table[0]["SubAccountId"] == "'=acme"
    assert json.loads(table[0]["Tags"]) == {"pool": "llm/chat"}


def test_usage_without_a_price_is_counted_and_has_no_row(ledger: Ledger) -> None:
    ledger.record([replace(CALL, model_served="own-9b")], 0.0)
    made = export(ledger, 0, DAY, US)
    assert (made.rows, made.unpriced_tokens) == ((), 100_700)
    assert as_csv(made).splitlines() == [",".join(COLUMNS)]


def test_periods_are_cut_at_midnight_in_utc() -> None:
    assert list(days(DAY / 2, 2.5 * DAY)) == [
        (DAY / 2, DAY), (DAY, 2 * DAY), (2 * DAY, 2.5 * DAY),
    ]  # fmt: skip
    assert list(days(DAY, DAY)) == []
