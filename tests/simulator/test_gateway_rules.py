"""What the gateway does by rule: fallbacks to another pool, and budgets that are spent."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
import pytest

from collectors.litellm import Litellm
from simulator.allowances import Allowance
from simulator.calls import Answer, Arrival
from simulator.cluster import PoolSpec
from simulator.engine import Engine
from simulator.engine_model import EngineModel
from simulator.gateway import Gateway
from simulator.gpus import L4
from simulator.pages import litellm
from simulator.pages.text import Writer
from simulator.tallies import Tally
from vocabulary.metrics import GATEWAY_OPERATIONS

MODEL = EngineModel(0.02, 0.0004, 1e-7, 0.0001, 50_000, 64, 2048, 16_384, 30.0)
CHEAP = PoolSpec(
    "cheap", "vllm", "cheap-8b", "1", L4, 1, 1, MODEL, Decimal(2), Decimal(4), Decimal("0.5"),
    timeout=30.0, retries=1, fallbacks=("small", "dear"),
)  # fmt: skip
SMALL = replace(CHEAP, name="small", fallbacks=(), engine=replace(MODEL, max_context=512))
DEAR = replace(CHEAP, name="dear", model="dear-70b", fallbacks=(), usd_per_million_input=Decimal(9))


@dataclass
class Backend:
    uid: str
    answers: bool = True
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(MODEL, np.random.default_rng(1), 0.0, Tally(0.0, 16_384))


@dataclass
class Listener:
    heard: list[Answer] = field(default_factory=list)

    def hear(self, answer: Answer) -> None:
        self.heard.append(answer)


def gateway(up: str = "cheap dear", *budgets: Allowance) -> Gateway:
    backends = {name: (Backend(name, answers=name in up),) for name in ("cheap", "small", "dear")}
    pools = {one.name: one for one in (CHEAP, SMALL, DEAR)}
    return Gateway(pools, lambda pool: backends[pool], 0.0, budgets)


def call(at: float, listener: Listener | None = None, pool: str = "cheap") -> Arrival:
    return Arrival(at, "t", pool, 1000, 50, 0.25, listener)


def run(one: Gateway, calls: list[Arrival], until: float) -> None:
    now, backends = 0.0, [backend for pool in one.pools for backend in one.routable(pool)]
    while now < until:
        end = now + 0.5
        one.step([item for item in calls if now <= item.at < end], end)
        for backend in backends:
            engine = backend.engine
            assert isinstance(engine, Engine)
            engine.advance(end)
            one.settle(engine.leavings())
        one.time_out(end)
        now = end


def page(one: Gateway, now: float = 100.0) -> dict[str, float]:
    text = litellm.render(Writer("litellm"), one, now).decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def valued(one: Gateway, family: str, now: float = 100.0) -> dict[str, float]:
    return {name: value for name, value in page(one, now).items() if name.startswith(family + "{")}


def test_a_call_that_failed_for_good_is_answered_and_booked_at_the_fallback() -> None:
    listener, one = Listener(), gateway("dear")
    run(one, [call(1.0, listener)], 30.0)
    asked, took = one.account("t", "cheap"), one.account("t", "dear")
    assert (asked.operations, sum(asked.attempts_failed.values())) == (0, 2)
    assert (took.succeeded, took.attempts_ok, took.input_tokens) == (1, 1, 1000)
    (answer,) = listener.heard
    assert (answer.model, answer.error, answer.output_tokens) == ("dear-70b", "", 50)


def test_a_fallback_whose_context_is_too_short_is_not_asked() -> None:
    one = gateway("small dear")
    run(one, [call(1.0)], 30.0)
    assert ("t", "small") not in one.accounts
    assert one.account("t", "dear").succeeded == 1


def test_a_fallback_begins_without_the_pause_of_a_retry_and_retries_by_its_own_policy() -> None:
    one = gateway("nobody")
    one.policies["dear"].retries = 3
    run(one, [call(1.0)], 30.0)
    assert sum(one.account("t", "cheap").attempts_failed.values()) == 2
    assert sum(one.account("t", "dear").attempts_failed.values()) == 4
    assert one.account("t", "cheap").failed == {("Openai.APIConnectionError", "500"): 1}
    assert one.account("t", "dear").operations == 0


@pytest.mark.parametrize(("up", "outcome"), [("dear", "successful"), ("nobody", "failed")])
def test_the_page_counts_fallbacks_as_litellm_does(up: str, outcome: str) -> None:
    one = gateway(up)
    run(one, [call(1.0), call(2.0)], 30.0)
    family = f"litellm_deployment_{outcome}_fallbacks_total"
    ((name, value),) = valued(one, family).items()
    assert value == 2.0
    for label in ('requested_model="cheap"', 'fallback_model="dear"', 'exception_status="500"'):
        assert label in name
    other = {"successful": "failed", "failed": "successful"}[outcome]
    assert not valued(one, f"litellm_deployment_{other}_fallbacks_total")


def test_a_timeout_falls_back_too() -> None:
    one = gateway()
    one.policies["cheap"].timeout, one.policies["cheap"].retries = 0.5, 0
    run(one, [call(1.0)], 30.0)
    assert one.account("t", "cheap").attempts_failed == {("Openai.Timeout", "408"): 1}
    assert one.account("t", "dear").succeeded == 1


def test_a_spent_budget_refuses_calls_before_any_replica_and_begins_anew() -> None:
    price = Decimal("0.001825")  # 750 · 2 + 250 · 0.5 + 50 · 4 dollars a million
    one = gateway("cheap dear", Allowance("t", 2 * price, period=60.0))
    run(one, [call(5.0 * number) for number in range(11)], 55.0)
    account = one.account("t", "cheap")
    # a team is refused beyond its limit, not at it: the third call is the one too many
    assert account.succeeded == 3
    assert account.failed == {("BudgetExceededError", "422"): 8}
    assert account.attempts_failed == {}
    (purse,) = one.purses["t"]
    assert purse.left == -price
    assert not purse.refuses(60.0)
    assert purse.left == 2 * price


def test_a_key_is_refused_at_its_limit_and_other_tenants_are_not() -> None:
    price = Decimal("0.001825")
    one = gateway("cheap", Allowance("t", price, of="key", status=429))
    other = Arrival(20.0, "somebody", "cheap", 1000, 50, 0.25)
    run(one, [call(1.0), call(10.0), other], 30.0)
    assert one.account("t", "cheap").failed == {("BudgetExceededError", "429"): 1}
    assert one.account("somebody", "cheap").succeeded == 1


def test_the_page_shows_budgets_and_who_was_refused() -> None:
    one = gateway("cheap", Allowance("t", Decimal("0.001"), period=3600.0))
    run(one, [call(1.0), call(10.0)], 30.0)
    labels = '{team="team-t",team_alias="t"}'
    assert valued(one, "litellm_team_max_budget_metric") == {
        f"litellm_team_max_budget_metric{labels}": 0.001
    }
    (left,) = valued(one, "litellm_remaining_team_budget_metric").values()
    assert left == pytest.approx(0.001 - 0.001825)
    (hours,) = valued(one, "litellm_team_budget_remaining_hours_metric", 1800.0).values()
    assert hours == 0.5
    ((name, value),) = valued(one, "litellm_proxy_failed_requests_metric_total").items()
    assert value == 1.0
    assert 'exception_class="BudgetExceededError"' in name
    assert 'model_id="None"' in name
    assert not valued(one, "litellm_llm_api_failed_requests_metric_total")


@pytest.mark.parametrize(("status", "read"), [(422, "refused"), (429, "error")])
def test_the_collector_takes_a_spent_budget_for_the_callers_matter_where_litellm_says_so(
    status: int, read: str
) -> None:
    one = gateway("cheap", Allowance("t", Decimal(0), of="key", status=status))
    run(one, [call(1.0)], 5.0)
    text = litellm.render(Writer("litellm"), one, 10.0).decode()
    words = [word for word in Litellm().words() if word.metric is GATEWAY_OPERATIONS]
    assert f'status_code="{status}"' in text
    labels = {"requested_model": "cheap", "status_code": str(status), "team_alias": "t"}
    assert words[0].label is not None
    told = words[0].label(labels)
    assert told is not None
    assert told["status"] == read


def test_a_process_that_begins_anew_forgets_its_counters_and_not_what_was_spent() -> None:
    one = gateway("dear", Allowance("t", Decimal(1)))
    run(one, [call(1.0)], 10.0)
    spent = one.purses["t"][0].spent
    assert spent > 0
    one.reset_counters(10.0)
    assert (one.accounts, one.detours) == ({}, {})
    assert one.purses["t"][0].spent == spent
    assert one.account("t", "dear").operations == 0
