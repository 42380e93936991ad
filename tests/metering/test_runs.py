"""Runs of agents: a conversation's calls together, each vantage by itself, unknown never zero."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from metering.ledger import Ledger
from metering.prices import load_book
from metering.runs import runs
from vocabulary.usage import Caller, UsageBatch, UsageSpan

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


# -- calls that do not say whose they are ---------------------------------------------------------

NAMELESS = replace(CALL, conversation="", agent="", parent="http")
CALLER = Caller("t1", "client", "a1", "acme", "acme", "planner", "c7", 99.0, 110.0)


def found(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    return [(one.tenant, one.agent, one.run, one.attempts) for one in runs(ledger, 0, DAY)]


def test_a_call_is_its_callers_whether_that_was_told_before_or_after_it(ledger: Ledger) -> None:
    ledger.record(UsageBatch((), [CALLER]), 300.0)
    ledger.record([NAMELESS, replace(NAMELESS, attempt_id="t1:s2", at=103.0)], 300.0)
    late = replace(NAMELESS, attempt_id="t2:s1", operation_id="t2")
    ledger.record([late], 300.0)
    assert found(ledger) == [("acme", "planner", "c7", 2)]
    ledger.record(UsageBatch((), [replace(CALLER, operation_id="t2")]), 900.0)
    assert found(ledger) == [("acme", "planner", "c7", 3)]
    assert ledger.record([late], 999.0).repeated == 1, "who called changes nothing in the books"
    assert ledger.conflicts() == 0


def test_what_a_call_says_itself_stands_over_its_caller(ledger: Ledger) -> None:
    own = replace(NAMELESS, agent="writer")
    ledger.record(UsageBatch.of([own]), 300.0)
    ledger.record(UsageBatch((), [CALLER]), 300.0)
    assert found(ledger) == [("acme", "writer", "c7", 1)]


def test_the_parent_is_nearest_and_then_the_innermost_that_encloses(ledger: Ledger) -> None:
    workflow = replace(CALLER, span_id="w", agent="", conversation="c9", at=90.0, ended=120.0)
    outer = replace(CALLER, span_id="o", agent="orchestrator", conversation="", at=91.0)
    inner = replace(CALLER, span_id="i", agent="researcher", conversation="", at=99.5, ended=105.0)
    calls = [
        NAMELESS,
        replace(NAMELESS, attempt_id="t1:s2", at=106.0),
        replace(NAMELESS, attempt_id="t1:s3", parent="o"),
        replace(NAMELESS, attempt_id="t1:s4", at=200.0),
    ]
    ledger.record(calls, 300.0)
    ledger.record(UsageBatch((), [workflow, outer, inner]), 300.0)
    assert sorted(found(ledger)) == [
        ("acme", "orchestrator", "c9", 2),
        ("acme", "researcher", "c9", 1),
    ], "the fourth was made after all of them had ended"


def test_of_agents_side_by_side_only_a_parent_is_believed(ledger: Ledger) -> None:
    first = replace(CALLER, span_id="x", agent="first", at=95.0, ended=108.0)
    second = replace(CALLER, span_id="y", agent="second", at=96.0, ended=109.0)
    above = replace(CALLER, span_id="z", agent="both", at=90.0, ended=120.0)
    ledger.record([NAMELESS, replace(NAMELESS, attempt_id="t1:s2", parent="y")], 300.0)
    ledger.record(UsageBatch((), [first, second, above]), 300.0)
    assert sorted(found(ledger)) == [("acme", "both", "c7", 1), ("acme", "second", "c7", 1)]


def test_a_caller_speaks_for_its_own_vantage_and_trace_alone(ledger: Ledger) -> None:
    ledger.record([NAMELESS], 300.0)
    other = [replace(CALLER, vantage="gateway"), replace(CALLER, operation_id="t9")]
    ledger.record(UsageBatch((), other), 300.0)
    assert found(ledger) == []


def test_a_callers_tenant_holds_where_the_call_has_only_its_resources(ledger: Ledger) -> None:
    named = replace(CALLER, tenant="zeta", resource_tenant="acme")
    ledger.record([NAMELESS, replace(NAMELESS, attempt_id="t1:s2", tenant="own")], 300.0)
    ledger.record(UsageBatch((), [named]), 300.0)
    assert sorted(found(ledger)) == [("own", "planner", "c7", 1), ("zeta", "planner", "c7", 1)]
    assert {one.tenant for one in ledger.totals(0, DAY)} == {"acme", "own"}, "bills stay as told"
