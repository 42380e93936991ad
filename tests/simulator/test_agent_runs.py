"""Runs of agents: what is planned, how a run goes on from answer to answer, and what it traces."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.agent_loop import AgentLoop
from simulator.agent_plans import AgentUse, Context, Plan, draw_plan, walked
from simulator.agent_runs import AgentSource, agent_source
from simulator.calls import Answer, Arrival
from simulator.spans import Span, SpanLog
from simulator.traffic import Tenant

NOON = 1_795_608_000.0
USE = AgentUse("reviewer", "t", "p", 0.05)
ALONE = replace(USE, delegates=0.0)
CROWD = replace(USE, delegates=0.7, fan_out=4)
FLAT = Tenant("t", swing=0.0, weekend=1.0)
LONGEST = 29_000


def source(use: AgentUse = USE, seed: int = 1) -> AgentSource:
    return agent_source(use, FLAT, LONGEST, SpanLog(), seed, 3)


@dataclass
class Played:
    """Calls of a source whose every call is answered after a while."""

    one: AgentSource
    takes: Callable[[Arrival], float] = lambda _call: 3.0
    fails: Callable[[Arrival], bool] = lambda _call: False
    calls: list[Arrival] = field(default_factory=list)

    def run(self, seconds: float, tick: float = 0.5) -> "Played":
        due: list[tuple[float, int, Arrival]] = []
        now = NOON
        while now < NOON + seconds:
            for call in self.one.until(now, now + tick):
                self.calls.append(call)
                heapq.heappush(due, (call.at + self.takes(call), len(self.calls), call))
            while due and due[0][0] < now + tick:
                at, _, call = heapq.heappop(due)
                assert call.asker is not None
                if self.fails(call):
                    call.asker.hear(Answer(call, at, error="Openai.Timeout"))
                    continue
                cached = int(call.cached * call.input_tokens)
                tokens = call.input_tokens, cached, call.output_tokens
                call.asker.hear(Answer(call, at, "m", *tokens))
            now += tick
        return self

    def traces(self) -> dict[bytes, list[Span]]:
        found: dict[bytes, list[Span]] = {}
        for span in self.one.log.fetch():
            found.setdefault(span.place.trace, []).append(span)
        return found


def kind(span: Span) -> str:
    return str(dict(span.attributes)["gen_ai.operation.name"])


def depth(plan: Plan) -> int:
    return 1 + max((depth(one) for step in plan.steps for one in step.agents), default=0)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 5))
def test_plans_keep_to_their_depth_fan_out_and_steps(seed: int, deep: int, wide: int) -> None:
    use = replace(USE, depth=deep, fan_out=wide, delegates=0.3, most_steps=8)
    plan = draw_plan(use, np.random.default_rng(seed))
    assert depth(plan) <= deep
    assert plan.calls == len(list(walked(plan, use, LONGEST)))
    assert all(len(step.agents) <= wide for step in plan.steps)
    assert 1 <= len(plan.steps) <= 8
    assert not plan.steps[-1].tools
    assert not plan.steps[-1].agents


def test_runs_are_spread_as_they_are_said_to_be() -> None:
    rng = np.random.default_rng(5)
    plans = [draw_plan(USE, rng) for _ in range(3000)]
    assert np.mean([len(one.steps) for one in plans]) == pytest.approx(USE.steps, rel=0.05)
    assert max(depth(one) for one in plans) == USE.depth
    delegated = [bool(step.agents) for one in plans for step in one.steps[:-1]]
    assert np.mean(delegated) == pytest.approx(USE.delegates, rel=0.1)


def test_a_prompt_holds_what_was_said_before_and_the_cache_knows_it() -> None:
    context = Context(1000, 1200)
    assert context.ask(9000) == (1200, 1000 / 1200)
    context.add(100, 500)
    assert context.ask(9000) == (1800, 1300 / 1800)


def test_a_prompt_that_is_cut_keeps_only_its_instructions_in_the_cache() -> None:
    context = Context(1000, 8900)
    context.add(100, 500)
    assert context.ask(9000) == (9000, 1000 / 9000)


def test_the_next_call_waits_for_the_answer_and_for_tools() -> None:
    played = Played(source(ALONE), lambda _call: 30.0).run(900.0)
    followed = 0
    for spans in played.traces().values():
        chats = sorted((one.began, one.ended) for one in spans if kind(one) == "chat")
        tools = [one for one in spans if kind(one) == "execute_tool"]
        for (_, answered), (asked, _) in pairwise(chats):
            waited = [one.ended for one in tools if one.began == answered]
            assert asked == pytest.approx(max(waited), abs=0.5)
            followed += 1
    assert followed > 50


def test_agents_work_side_by_side_and_their_caller_waits_for_all() -> None:
    together = 0
    for spans in Played(source(CROWD)).run(600.0).traces().values():
        agents = {one.place.span: one for one in spans if kind(one) == "invoke_agent"}
        below = [one for one in agents.values() if one.place.above in agents]
        for one in below:
            above = agents[one.place.above]
            assert above.began <= one.began <= one.ended <= above.ended
            beside = [two for two in below if two.began < one.ended and one.began < two.ended]
            together = max(together, len(beside))
    assert together >= 3


def test_every_span_stands_in_the_tree_of_its_run_and_within_what_it_is_in() -> None:
    traces = Played(source()).run(2000.0).traces()
    whole = [spans for spans in traces.values() if any(not one.place.above for one in spans)]
    assert len(whole) > 50
    for spans in whole:
        by_id = {one.place.span: one for one in spans}
        assert len(by_id) == len(spans)
        (top,) = [one for one in spans if not one.place.above]
        assert kind(top) == "invoke_workflow"
        for one in spans:
            if one is not top:
                above = by_id[one.place.above]
                assert kind(above) == ("invoke_workflow" if above is top else "invoke_agent")
                assert above.began <= one.began
                assert one.ended <= above.ended + 1e-6


def test_calls_are_as_many_and_as_long_as_the_past_says() -> None:
    one = source()
    one.rate_factor = 10.0
    played = Played(one).run(1800.0)
    usual = played.one
    rate = 10.0 * float(usual.rate(NOON + np.arange(0.0, 3600.0, 60.0)).mean())
    assert len(played.calls) / 1800.0 == pytest.approx(rate, rel=0.12)
    prompts = np.array([one.input_tokens for one in played.calls])
    cached = np.array([one.cached * one.input_tokens for one in played.calls])
    assert prompts.mean() == pytest.approx(usual.trace.input_tokens.mean(), rel=0.1)
    assert cached.sum() / prompts.sum() == pytest.approx(usual.stream.cached, rel=0.05)
    assert usual.stream.cached > 0.7


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    one, same, other = (Played(source(seed=seed)).run(600.0) for seed in (1, 1, 2))
    assert [call[:6] for call in one.calls] == [call[:6] for call in same.calls]
    assert [call[:6] for call in one.calls] != [call[:6] for call in other.calls]


def test_a_run_asks_the_same_however_slowly_it_is_answered() -> None:
    def prompts(played: Played) -> list[int]:
        first = next(iter(played.calls)).asker
        mine = [call.input_tokens for call in played.calls if call.asker is first]
        return mine[:4]

    quick, slow = (Played(source(), lambda _c, s=s: s).run(1500.0) for s in (1.0, 9.0))  # type: ignore[misc]
    assert prompts(quick) == prompts(slow)


def test_a_call_that_fails_for_good_ends_its_run() -> None:
    failing = Played(source(CROWD), fails=lambda call: call.input_tokens > 4000).run(900.0)
    traces = failing.traces().values()
    broken = [spans for spans in traces if any(kind(s) == "chat" and s.error for s in spans)]
    assert len(broken) > 20
    for spans in broken:
        first = min(one.ended for one in spans if kind(one) == "chat" and one.error)
        assert not [one for one in spans if kind(one) == "chat" and one.began > first + 0.5]
        tops = [one for one in spans if kind(one) == "invoke_workflow"]
        assert [one.error for one in tops] == ["Openai.Timeout"]


def test_a_run_without_end_goes_on_until_it_is_stopped() -> None:
    one = source()
    one.rate_factor = 0.0
    one.begin(NOON, endless=True)
    played = Played(one).run(2500.0)
    assert len(played.calls) > 200
    assert played.calls[-1].input_tokens == LONGEST
    one.stop(NOON + 2500.0)
    (spans,) = played.traces().values()
    (top,) = [span for span in spans if kind(span) == "invoke_workflow"]
    assert (top.error, top.ended) == ("CancelledError", NOON + 2500.0)
    assert list(one.until(NOON + 2500.0, NOON + 3000.0)) == []


def test_what_bends_a_stream_bends_runs_too() -> None:
    one = source()
    one.prompt_factor, one.output_factor, one.cached_factor = 2.0, 3.0, 0.0
    plain, bent = Played(source()).run(300.0), Played(one).run(300.0)
    assert bent.calls[0].input_tokens == pytest.approx(2 * plain.calls[0].input_tokens, abs=2)
    assert bent.calls[0].output_tokens == 3 * plain.calls[0].output_tokens
    assert {call.cached for call in bent.calls} == {0.0}
    one.rate_factor = 0.0
    assert one.rate_at(NOON) == 0.0


def test_a_loop_traces_one_agent_that_ends_when_it_is_stopped() -> None:
    rng, log = np.random.default_rng(4), SpanLog()
    loop = AgentLoop("t", "p", 2.0, 1000.0, 0.05, 9000, 60, 0.8, rng, log)
    for call in loop.until(NOON, NOON + 60.0):
        loop.hear(Answer(call, call.at + 1.0, "m", call.input_tokens, 0, 60))
    loop.stop(NOON + 61.0)
    *chats, agent = log.fetch()
    assert len(chats) == 30
    assert {one.place.above for one in chats} == {agent.place.span}
    assert (kind(agent), agent.began, agent.ended) == ("invoke_agent", NOON, NOON + 61.0)
    assert log.fetch() == []
