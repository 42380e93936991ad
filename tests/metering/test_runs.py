"""Runs of agents: a conversation's calls together, each vantage by itself, unknown never zero."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from metering.ledger import Ledger
from metering.prices import load_book
from metering.runs import runs
from vocabulary.usage import UsageSpan

DAY = 86_400.0
CALL = UsageSpan(
    attempt_id="t1:s1", operation_id="t1", tenant="acme", model_requested="gpt-4o",
    model_served="gpt-4o", provider="openai", vantage="client", at=100.0, duration=2.0,
    input_tokens=1000, output_tokens=200, cached_input_tokens=400, conversation="c1", agent="a1",
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.sqlite", load_book())
    yield made
    made.close()


def test_calls_of_one_conversation_are_one_run(ledger: Ledger) -> None:
    again = replace(CALL, attempt_id="t2:s1", operation_id="t2", at=200.0, model_served="own-9b")
    lost = replace(
        CALL, attempt_id="t2:s2", operation_id="t2", at=150.0, status="error", input_tokens=None,
        output_tokens=None, cached_input_tokens=None,
    )  # fmt: skip
    ledger.record([CALL, again, lost], 300.0)
    (one,) = runs(ledger, 0, DAY)
    assert (one.tenant, one.agent, one.run, one.models) == (
        "acme",
        "a1",
        "c1",
        ("gpt-4o", "own-9b"),
    )
    assert (one.began, one.ended) == (100.0, 202.0)
    assert (one.attempts, one.failed, one.unreported, one.unpriced) == (3, 1, 1, 1)
    assert (one.input_tokens, one.cached_input_tokens, one.output_tokens) == (2000, 800, 400)
    assert one.usd == Decimal("0.0040")
    assert one.as_json()["usd"] == "0.004"


def test_without_a_conversation_the_trace_is_the_run(ledger: Ledger) -> None:
    alone = replace(CALL, conversation="")
    other = replace(CALL, conversation="", attempt_id="t2:s1", operation_id="t2", input_tokens=1)
    ledger.record([alone, other], 300.0)
    assert [one.run for one in runs(ledger, 0, DAY)] == ["t1", "t2"], "most tokens first"


def test_calls_of_no_agent_and_no_conversation_belong_to_no_run(ledger: Ledger) -> None:
    ledger.record([replace(CALL, conversation="", agent="")], 300.0)
    assert runs(ledger, 0, DAY) == []


def test_tenants_that_use_one_conversation_id_stay_apart(ledger: Ledger) -> None:
    ledger.record([CALL, replace(CALL, attempt_id="x:y", tenant="zeta")], 300.0)
    assert [one.tenant for one in runs(ledger, 0, DAY)] == ["acme", "zeta"]


def test_a_gateway_that_knows_no_agent_leaves_the_word_to_the_clients(ledger: Ledger) -> None:
    above = replace(CALL, attempt_id="g:1", vantage="gateway", agent="", conversation="")
    ledger.record([CALL, above], 300.0)
    assert [one.attempts for one in runs(ledger, 0, DAY)] == [1]
    ledger.record([replace(CALL, attempt_id="g:2", vantage="gateway")], 300.0)
    assert [one.attempts for one in runs(ledger, 0, DAY)] == [1], "never added across vantages"


def test_nothing_priced_is_unknown_not_free(ledger: Ledger) -> None:
    ledger.record([replace(CALL, model_served="own-9b", model_requested="")], 300.0)
    (one,) = runs(ledger, 0, DAY)
    assert (one.usd, one.as_json()["usd"], one.unpriced) == (None, None, 1)
