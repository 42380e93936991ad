"""Engines that speculate: faster while drafts are taken, and no token more or less."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from collectors.vllm import Vllm
from simulator.closed_loop import Shape, measure
from simulator.clusters import DRAFTING
from simulator.drafting import Drafting
from simulator.engine import Engine
from simulator.engine_presets import PRESETS
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.speculation_decay import SpeculationDecay
from simulator.history import history
from simulator.requests import Outcome, Request
from simulator.tallies import Tally
from simulator.world import World
from vocabulary import metrics as m

NOON = 1_795_608_000.0
MODEL = PRESETS["70b-fp8-2xh100"]
DRAFT = Drafting(tokens=3, accepted=0.7, cost=0.06)


def answered(drafting: Drafting | None, callers: int = 8) -> Engine:
    engine = Engine(MODEL, np.random.default_rng(1), 0.0, Tally(0.0, MODEL.max_context),
                    drafting=drafting)  # fmt: skip
    for number in range(callers):
        engine.submit(Request(number, 0.0, 500, 400, 0))
    while engine.requests():
        engine.advance(engine.clock + 1.0)
    return engine


def test_a_step_yields_what_the_published_formula_says() -> None:
    assert DRAFT.tokens_a_step == pytest.approx((1 - 0.7**4) / (1 - 0.7))
    assert Drafting(accepted=0.0).tokens_a_step == 1.0
    assert Drafting(accepted=1.0, tokens=4).tokens_a_step == 5.0


def test_every_request_gets_its_tokens_and_no_more() -> None:
    engine = answered(DRAFT)
    left = engine.leavings()
    assert [one.request.generated for one in left] == [400] * 8
    assert {one.outcome for one in left} <= {Outcome.STOP, Outcome.LENGTH}
    assert engine.kv_used == 0
    assert engine.tally.generated_tokens == pytest.approx(8 * 400, rel=0.01)


def test_answers_come_faster_by_yield_over_cost_and_bad_drafts_slow_them() -> None:
    plain, good = answered(None).clock, answered(DRAFT).clock
    bad = answered(replace(DRAFT, accepted=0.02)).clock
    assert plain / good == pytest.approx(DRAFT.tokens_a_step / DRAFT.longer, rel=0.1)
    assert bad > 1.1 * plain


def test_counters_hold_together() -> None:
    tally = answered(DRAFT).tally
    assert tally.drafted_tokens == pytest.approx(3 * tally.drafts)
    share = tally.accepted_tokens / tally.drafted_tokens
    assert share == pytest.approx((DRAFT.tokens_a_step - 1.0) / 3, rel=0.05)
    assert tally.between_tokens.count == pytest.approx(tally.drafts, rel=0.02)
    assert tally.step_tokens.count < 400


def test_an_engine_without_a_draft_that_is_as_fast_says_the_same() -> None:
    shape = Shape(500, 200)
    engine = answered(DRAFT)
    alike = measure(DRAFT.applied(MODEL), 8, shape, 8, settled=False)
    speed = 8 * 400 / engine.clock
    assert alike.tokens_per_second == pytest.approx(speed, rel=0.15)


@pytest.fixture(name="world", scope="module")
def _world() -> World:
    return World(3, NOON, DRAFTING)


def acceptance(world: World, seconds: float) -> float:
    def counted() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        tallies = [pod.engine.tally for pod in world.pods("chat-70b")]
        return np.array([sum(one.accepted_tokens for one in tallies),
                         sum(one.drafted_tokens for one in tallies)])  # fmt: skip

    before = counted()
    world.advance(world.now + seconds)
    accepted, drafted = counted() - before
    return float(accepted / drafted)


def test_pages_tell_of_drafts_only_where_there_are_some(
    world: World, new_world: Callable[[int], World]
) -> None:
    for door in world.targets():
        tells = b"spec_decode_num_accepted_tokens" in world.page(door.name)
        assert tells is (door.name.startswith(("chat-70b", "edge-3b"))), door.name
    plain = new_world(3)
    chat = next(one for one in plain.targets() if one.name.startswith("chat-70b"))
    assert b"spec_decode" not in plain.page(chat.name)
    target = next(one for one in page_targets(world) if "chat-70b" in one.url)
    read = Vllm().collect(target, SimulatedReach(world), world.now)
    values = {one.series.name: one.value for one in read}
    share = values[str(m.SPEC_DECODE_ACCEPTED_TOKENS)] / values[str(m.SPEC_DECODE_DRAFT_TOKENS)]
    assert share == pytest.approx((DRAFT.tokens_a_step - 1.0) / 3, rel=0.02)


def test_history_accepts_as_much_as_the_live_world() -> None:
    coarse, _fine = history(World(3, NOON, DRAFTING), span=86_400.0)
    grown = {
        series.name: values[-1] - values[0]
        for series, values in zip(coarse.series, coarse.values, strict=True)
        if series.label("pool") == "serving/chat-70b" and "spec_decode" in series.name
    }
    accepted, drafted = (grown[str(one)] for one in
                         (m.SPEC_DECODE_ACCEPTED_TOKENS, m.SPEC_DECODE_DRAFT_TOKENS))  # fmt: skip
    assert accepted / drafted == pytest.approx((DRAFT.tokens_a_step - 1.0) / 3, rel=0.01)


def test_decay_takes_acceptance_away_and_steps_yield_less_until_it_is_mended() -> None:
    world = World(4, NOON, DRAFTING)
    before = acceptance(world, 120.0)
    world.inject(SpeculationDecay(accepted=0.15, ramp=60.0, duration=600.0))
    acceptance(world, 120.0)
    during = acceptance(world, 300.0)
    assert during < 0.35 * before
    acceptance(world, 240.0)
    assert acceptance(world, 120.0) == pytest.approx(before, rel=0.1)


def test_history_times_outputs_and_counts_steps_as_the_live_world_does() -> None:
    world = World(3, NOON, DRAFTING)
    coarse, _fine = history(world, span=21_600.0)
    pod = world.pods("chat-70b")[0]
    grown = {
        series.name: values[np.isfinite(values)][-1] - values[np.isfinite(values)][0]
        for series, values in zip(coarse.series, coarse.values, strict=True)
        if series.label("replica") == pod.replica_id(DRAFTING.name) and np.isfinite(values).any()
    }
    latency = str(m.INTER_TOKEN_LATENCY)
    tally = pod.engine.tally
    counted = (tally.between_tokens.total, tally.between_tokens.count, tally.step_tokens.count,
               tally.generated_tokens)  # fmt: skip
    world.advance(world.now + 900.0)
    seconds, outputs, steps, tokens = (
        after - before
        for before, after in zip(
            counted,
            (tally.between_tokens.total, tally.between_tokens.count, tally.step_tokens.count,
             tally.generated_tokens),
            strict=True,
        )
    )  # fmt: skip
    assert grown[f"{latency}_sum"] / grown[f"{latency}_count"] == pytest.approx(
        seconds / outputs, rel=0.15
    )
    assert grown[str(m.OUTPUT_TOKENS)] / grown[str(m.ENGINE_STEPS)] == pytest.approx(
        tokens / steps, rel=0.3
    )
