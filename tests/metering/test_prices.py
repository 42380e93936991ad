"""Prices: exact, sourced, overridable, and never a made-up zero."""

import json
from decimal import Decimal, FloatOperation, Inexact
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.buckets import Buckets
from metering.money import (
    EXACT,
    SIGNIFICANT_DIGITS,
    counted,
    imported,
    money,
    plain,
    round_lines,
    total,
)
from metering.prices import SHIPPED, TokenPrice, Unpriced, load_book, spellings
from vocabulary.errors import ConfigError

AMOUNTS = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=9)


def priced(model: str, provider: str = "", *, demo: bool = False) -> TokenPrice:
    price = load_book(demo=demo).token_price(model, provider)
    assert isinstance(price, TokenPrice)
    return price


def test_refuses_binary_floats_wherever_money_is_made() -> None:
    for value in (0.1, True, None, [1]):
        with pytest.raises(TypeError):
            money(cast("Any", value))
    with pytest.raises(ValueError, match="finite"):
        money("NaN")
    with pytest.raises(FloatOperation):
        EXACT.create_decimal(0.1)
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


def test_an_import_drops_the_artefacts_of_somebody_elses_floats() -> None:
    assert imported(Decimal("3.0000000000000004E-7")) == Decimal("3E-7")
    assert SIGNIFICANT_DIGITS == 15


def test_prices_by_the_million_tokens() -> None:
    cost = priced("gpt-4o").cost(Buckets(uncached=1_000_000, cache_read=1_000_000, output=500_000))
    assert cost == Decimal("2.5") + Decimal("1.25") + Decimal(5)


def test_a_kind_without_its_own_price_costs_what_its_whole_costs() -> None:
    price = priced("gpt-4o")
    assert price.rates.cache_write == price.rates.input
    assert price.rates.reasoning == price.rates.output


def test_a_long_prompt_is_charged_at_its_own_rate_altogether() -> None:
    price = priced("gpt-5.5")
    assert price.cost(Buckets(uncached=272_000)) == Decimal("1.36")
    assert price.cost(Buckets(uncached=272_001)) == Decimal("2.72001")
    assert price.cost(Buckets(uncached=272_001, output=1000)) == Decimal("2.76501")


@pytest.mark.parametrize(
    ("served", "provider", "key"),
    [
        ("GPT-4o", "", "gpt-4o"),
        ("gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("openai/gpt-4o", "", "gpt-4o"),
        ("claude-sonnet-4-5@20250929", "", "claude-sonnet-4-5"),
        ("mistral-large-latest", "mistral", "mistral/mistral-large-latest"),
        ("openai/gpt-oss-120b", "groq", "groq/openai/gpt-oss-120b"),
    ],
)
def test_finds_the_price_of_what_was_served(served: str, provider: str, key: str) -> None:
    assert priced(served, provider).key == key


@pytest.mark.parametrize("model", ["", "no-such-model", "gpt-4", "my-gpt-4o-tune", "mistral-large"])
def test_an_unknown_model_is_unpriced_and_not_free(model: str) -> None:
    assert load_book().token_price(model) == Unpriced(model)


def test_demo_prices_exist_in_the_demo_alone_and_say_what_they_are() -> None:
    assert isinstance(load_book().token_price("chat-70b"), Unpriced)
    assert "made up for the simulation" in priced("chat-70b", demo=True).source


def test_every_shipped_price_names_source_and_date() -> None:
    for path in SHIPPED.glob("*.json"):
        layer = json.loads(path.read_text())
        assert layer["source"]
        assert layer["date"]
        assert layer["licence"]
        assert path.name in (SHIPPED / "SOURCES.md").read_text()


@pytest.mark.parametrize(
    ("product", "usd"),
    [
        ("NVIDIA H100 80GB HBM3", "6.88"),
        ("NVIDIA A100-SXM4-80GB", "3.430881"),
        ("NVIDIA A100-PCIE-40GB", "2.744705"),
        ("NVIDIA L40S", "3.766398"),
        ("NVIDIA L4", "1.6688"),
        ("Tesla T4", "0.978"),
    ],
)
def test_finds_the_price_of_a_gpu_by_its_product_name(product: str, usd: str) -> None:
    assert load_book().gpu_price(product).usd_per_hour == Decimal(usd)


def test_a_gpu_nobody_knows_gets_the_default_which_says_so() -> None:
    shipped = load_book().gpu_price("Frobnicator 9000")
    assert shipped.source.startswith("GPU not known; taken as H100")
    own = load_book(default_gpu="2.10").gpu_price("Frobnicator 9000")
    assert (own.usd_per_hour, own.source) == (
        Decimal("2.10"), "configured default, GPU not known",
    )  # fmt: skip
    assert load_book().gpu_price("", "p5en.48xlarge").usd_per_hour == Decimal("7.912")


def test_the_operators_file_overrides_the_list_without_touching_a_float(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(
        "source: our contract\ndate: 2026-10-01\n"
        "tokens:\n  gpt-4o: {input: 0.1, output: 0.7}\n  own-7b: {input: 1e-2, output: 3}\n"
        "gpus:\n- {words: [h100], usd_per_gpu_hour: 2.2}\n"
    )
    book = load_book(path)
    price = book.token_price("gpt-4o")
    assert price.cost(Buckets(uncached=3_000_000)) == Decimal("0.3")
    assert (price.source, price.date) == ("our contract", "2026-10-01")
    assert book.token_price("own-7b").cost(Buckets(uncached=100)) == Decimal("0.000001")
    assert book.gpu_price("NVIDIA H100 NVL").usd_per_hour == Decimal("2.2")
    assert book.snapshot != load_book().snapshot == load_book().snapshot


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tokens: {a: {input: -1, output: 1}}", "negative"),
        ("tokens: {a: {input: 1}}", "needs `input` and `output`"),
        ("tokens: {a: {input: 1, output: 1, inptu: 2}}", "needs `input` and `output`"),
        ("tokens: {a: {input: cheap, output: 1}}", "no number"),
        ("tokens: {a: {input: .nan, output: 1}}", "price file"),
        ("tokes: {}", "unknown section `tokes`"),
        ("schema: 2", "schema 2 is not known"),
        ("- 1", "must hold sections"),
        ("a: [", "price file"),
    ],
)
def test_a_file_that_holds_no_prices_is_refused_by_name(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_book(path)


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the price file"):
        load_book(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="gpu_usd_per_hour"):
        load_book(default_gpu="cheap")


@given(st.text(max_size=60), st.text(max_size=20))
def test_spellings_are_lower_case_and_never_empty(model: str, provider: str) -> None:
    assert all(name and name == name.lower() for name in spellings(model, provider))


@given(st.lists(AMOUNTS, max_size=40), st.integers(0, 4))
def test_rounded_lines_sum_to_the_rounded_total_and_none_moves_a_whole_unit(
    amounts: list[Decimal], digits: int
) -> None:
    unit = Decimal(1).scaleb(-digits)
    lines = round_lines(amounts, digits)
    assert total(lines) == total(amounts).quantize(unit, rounding="ROUND_HALF_EVEN")
    assert all(abs(line - amount) < unit for line, amount in zip(lines, amounts, strict=True))


@given(st.floats(0, 2**53))
def test_a_counter_comes_in_without_losing_a_digit(value: float) -> None:
    assert float(counted(value)) == value


@given(AMOUNTS)
def test_plain_text_has_no_exponent_and_reads_back(amount: Decimal) -> None:
    assert "E" not in plain(amount)
    assert Decimal(plain(amount)) == amount
