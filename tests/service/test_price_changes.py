"""Prices that differ from the last start's are changes of the feed, once."""

from pathlib import Path

from metering.prices import PriceBook
from service import core
from service.clock import ManualClock
from service.config import load
from service.price_changes import MOST, price_changes
from vocabulary.entities import EntityKind

START = 1_764_072_000.0


def book(**tokens: dict[str, str]) -> PriceBook:
    prices = {name: {kind: str(usd) for kind, usd in one.items()} for name, one in tokens.items()}
    return PriceBook([{"source": "test", "tokens": prices,
                       "gpus": [{"words": ["h100"], "usd_per_gpu_hour": "3.90"}]}])  # fmt: skip


def test_a_listing_names_every_price_and_no_kind_that_costs_what_its_whole_costs() -> None:
    listed = book(chat={"input": "2.50", "output": "10", "cache_read": "0.25"}).listed()
    assert listed == {"chat": "input 2.5, output 10, cache read 0.25", "gpu h100": "3.9 USD/h"}


def test_what_became_dearer_is_told_with_both_prices_and_the_first_listing_with_none() -> None:
    before = book(chat={"input": "2.5", "output": "10"}).listed()
    now = book(chat={"input": "5", "output": "10"}, code={"input": "1", "output": "2"}).listed()
    told = {one.entity.id: one.what for one in price_changes(before, now, START)}
    assert told == {
        "chat": "price of chat: input 2.5, output 10 → input 5, output 10",
        "code": "price of code: input 1, output 2, which had no price",
    }
    assert price_changes(None, now, START) == []
    assert price_changes(now, now, START) == []


def test_a_new_list_tells_no_more_than_a_page_and_leaves_out_what_is_merely_new() -> None:
    before = {f"m{number:03}": "input 1, output 1" for number in range(200)}
    dearer = dict.fromkeys(before, "input 2, output 2")
    told = price_changes(before, dearer, START)
    assert len(told) == MOST + 1
    assert told[-1].what == "150 more prices changed"
    grown = {**before, **{f"n{number:03}": "input 1, output 1" for number in range(200)}}
    assert price_changes(before, grown, START) == []


def test_a_price_that_was_edited_is_in_the_feed_after_the_next_start_and_told_once(
    tmp_path: Path,
) -> None:
    prices = tmp_path / "prices.yaml"

    def start(at: float, usd: str) -> list[str]:
        prices.write_text(f"tokens:\n  chat: {{input: {usd}, output: 10}}\n")
        given = {"data_dir": str(tmp_path / "data"), "price_file": str(prices)}
        part = core.build(load(None, {}, given), ManualClock(at), secret="s" * 32)
        told = [one.what for one in part.fleet.changes() if one.kind == "price"]
        assert {one.entity.kind for one in part.fleet.changes()} <= {EntityKind.ROUTE}
        part.close()
        return told

    assert start(START, "2.5") == []
    dearer = ["price of chat: input 2.5, output 10 → input 5, output 10"]
    assert start(START + 60.0, "5") == dearer
    assert start(START + 120.0, "5") == dearer
