"""The engine model: nothing is lost, load behaves as load does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine import Engine
from simulator.engine_model import EngineModel
from simulator.requests import Leaving, Outcome, Request
from simulator.tallies import Tally

MODEL = EngineModel(
    base=0.02, per_request=0.0004, per_kv_token=1e-7, per_prefill_token=0.0001, kv_tokens=50_000,
    max_requests=64, max_batched_tokens=2048, max_context=16_384, load_seconds=30.0,
)  # fmt: skip


def engine(model: EngineModel = MODEL, seed: int = 1) -> Engine:
    return Engine(model, np.random.default_rng(seed), 0.0, Tally(0.0, model.max_context))


def feed(
    one: Engine, rate: float, seconds: float, prompt: int = 800, answer: int = 150, seed: int = 2
) -> int:
    rng = np.random.default_rng(seed)
    at, sent = one.clock, 0
    end = one.clock + seconds
    while (at := at + float(rng.exponential(1 / rate))) < end:
        tokens = max(1, int(rng.exponential(prompt)))
        one.submit(Request(sent, at, min(tokens, 12_000), 1 + int(rng.exponential(answer)), 0))
        sent += 1
    return sent


def run(one: Engine, seconds: float, tick: float = 0.5) -> list[Leaving]:
    left: list[Leaving] = []
    end = one.clock + seconds
    at = one.clock
    while at < end:
        at += tick
        one.advance(at)
        left.extend(one.leavings())
    return left


@given(
    requests=st.lists(
        st.tuples(
            st.floats(0, 20), st.integers(1, 9000), st.integers(1, 400), st.integers(0, 9000)
        ),
        min_size=1,
        max_size=60,
    ),
    kv_tokens=st.integers(10_000, 60_000),
    most=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_every_request_is_finished_running_or_waiting_and_all_end(
    requests: list[tuple[float, int, int, int]], kv_tokens: int, most: int
) -> None:
    one = engine(replace(MODEL, kv_tokens=kv_tokens, max_requests=most))
    asked = 0
    for ticket, (at, prompt, answer, cached) in enumerate(sorted(requests)):
        one.submit(Request(ticket, at, prompt, answer, cached))
        asked += answer
    left = run(one, 15.0)
    assert len(left) + one.running + one.queued == len(requests)
    left += run(one, 4000.0, tick=50.0)
    assert len(left) == len(requests)
    assert one.kv_used == 0
    assert one.tally.generated_tokens == asked
    assert one.tally.prompt_tokens == sum(prompt for _at, prompt, _answer, _cached in requests)
    assert sum(one.tally.finished.values()) == len(requests)


def test_the_kv_cache_is_never_used_beyond_its_size_but_by_a_single_request() -> None:
    one = engine(replace(MODEL, kv_tokens=9000))
    feed(one, 3.0, 120.0)
    for second in range(1, 240):
        one.advance(float(second))
        assert one.kv_used <= one.kv_capacity or one.running == 1
        assert one.running <= MODEL.max_requests


def test_light_load_answers_without_a_queue() -> None:
    one = engine()
    feed(one, 1.0, 600.0)
    left = run(one, 620.0)
    assert one.tally.queue.total / one.tally.queue.count < 0.05
    assert one.tally.to_first_token.total / one.tally.to_first_token.count < 0.3
    assert {one.outcome for one in left} == {Outcome.STOP, Outcome.LENGTH}


def test_overload_makes_a_queue_and_the_time_to_the_first_token_grows() -> None:
    one = engine()
    feed(one, 14.0, 300.0)
    growth = []
    for _minute in range(5):
        before = (one.tally.to_first_token.total, one.tally.to_first_token.count)
        run(one, 60.0)
        growth.append(
            (one.tally.to_first_token.total - before[0])
            / max(1, one.tally.to_first_token.count - before[1])
        )
    assert one.queued > 100
    assert growth[1] > 3 * growth[0]
    assert growth[4] > growth[2] > growth[1]


def test_a_full_kv_cache_preempts_and_computes_again() -> None:
    roomy = engine(replace(MODEL, kv_tokens=500_000))
    tight = engine(replace(MODEL, kv_tokens=12_000))
    for one in (roomy, tight):
        feed(one, 3.0, 300.0, prompt=600, answer=400)
        run(one, 3000.0)
    assert roomy.tally.preemptions == 0
    assert tight.tally.preemptions > 20
    assert tight.tally.generated_tokens == roomy.tally.generated_tokens
    assert tight.prefill_seconds > 1.02 * roomy.prefill_seconds
    assert tight.tally.whole.total > roomy.tally.whole.total


def test_a_stalled_engine_takes_no_step_and_loses_nothing() -> None:
    one = engine()
    feed(one, 2.0, 200.0)
    run(one, 60.0)
    steps, running, generated = one.steps, one.running, one.tally.generated_tokens
    assert running > 0
    one.stalled = True
    run(one, 60.0)
    assert (one.steps, one.running, one.tally.generated_tokens) == (steps, running, generated)
    assert one.queued > 80
    one.stalled = False
    run(one, 1000.0)
    assert one.running == one.queued == 0


@pytest.mark.parametrize("lever", ["slowdown", "pace"])
def test_slower_steps_show_in_the_time_between_tokens(lever: str) -> None:
    normal, slow = engine(), engine()
    if lever == "slowdown":
        slow.slowdown = 2.0
    else:
        slow.pace = 0.5
    for one in (normal, slow):
        feed(one, 0.5, 400.0)
        run(one, 600.0)
    itl = [
        one.tally.between_tokens.total / one.tally.between_tokens.count for one in (normal, slow)
    ]
    assert 1.9 < itl[1] / itl[0] < 2.4


def test_cached_tokens_are_not_computed() -> None:
    cold, warm = engine(), engine()
    for one, cached in ((cold, 0), (warm, 4000)):
        one.submit(Request(0, 0.0, 5000, 10, cached))
        run(one, 10.0)
    assert warm.tally.hit_tokens == 4000
    assert warm.tally.to_first_token.total < 0.4 * cold.tally.to_first_token.total


def test_abandoned_requests_leave_as_aborts_and_give_their_cache_back() -> None:
    one = engine()
    requests = [Request(number, 0.0, 1000, 5000, 0) for number in range(100)]
    for request in requests:
        one.submit(request)
    run(one, 30.0)
    assert one.queued > 0
    one.abandon(requests[:90])
    left = run(one, 500.0)
    assert [leaving.outcome for leaving in left].count(Outcome.ABORT) == 90
    assert one.tally.finished["abort"] == 90
    assert one.kv_used == one.running == 0


def test_a_dying_process_loses_everything_in_it() -> None:
    one = engine()
    sent = feed(one, 5.0, 60.0)
    left = run(one, 20.0)
    one.lose_everything(20.0)
    lost = one.leavings()
    assert len(left) + len(lost) == sent
    assert {leaving.outcome for leaving in lost} == {Outcome.LOST}
    assert one.running == one.queued == one.kv_used == 0


def test_the_same_seed_runs_the_same_way() -> None:
    first, second = engine(seed=5), engine(seed=5)
    for one in (first, second):
        feed(one, 4.0, 200.0)
    assert [(leaving.at, leaving.request.ticket) for leaving in run(first, 250.0)] == [
        (leaving.at, leaving.request.ticket) for leaving in run(second, 250.0)
    ]
    assert first.tally.between_tokens.counts == second.tally.between_tokens.counts


def test_what_nobody_waits_for_decodes_on_when_the_engine_is_deaf() -> None:
    one = engine(MODEL)
    request = Request(1, 0.0, 1000, 50, 0)
    one.submit(request)
    run(one, 0.5)
    one.deaf = True
    one.abandon([request])
    assert run(one, 30.0) == []
    assert one.running == 1
    (left,) = run(one, 4000.0, tick=50.0)
    assert left.request.generated == MODEL.max_context - 1000
    assert one.kv_used == 0


def test_garbled_answers_run_to_what_was_asked_for_at_most_and_are_cut() -> None:
    one = engine(MODEL)
    one.garbled = 1.0
    one.submit(Request(1, 0.0, 100, 5, 0))
    (left,) = run(one, 4000.0, tick=50.0)
    assert left.outcome is Outcome.LENGTH
    assert left.request.generated == one.tally.max_answer


def test_lost_blocks_are_held_and_slow_nobody_down() -> None:
    one = engine(MODEL)
    one.lose_kv(MODEL.kv_tokens // 2)
    assert one.kv_usage == 0.5
    one.submit(Request(1, 0.0, 100, 5, 0))
    run(one, 10.0)
    assert one.kv_used == MODEL.kv_tokens // 2
    one.lose_everything(one.clock)
    assert one.kv_used == 0


def test_a_bound_front_end_keeps_calls_where_no_queue_gauge_sees_them() -> None:
    one = engine(MODEL)
    one.front_end.seconds_per_token = 0.01
    for ticket in range(5):
        one.submit(Request(ticket, 0.0, 95, 5, 0))
    run(one, 0.5)
    assert (one.running, one.queued) == (0, 0)
    assert len(run(one, 10.0)) == 5
    assert one.tally.queue.total < 0.5
    assert one.tally.to_first_token.total > 10.0
    assert one.front_end.worked(one.clock) == 5.0
