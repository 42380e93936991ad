"""Flows tell of a pool what its requests tell, as far as docs/drill.md says they do."""

from functools import cache

import numpy as np
import pytest

from simulator.agreement import Levels, alone, both
from simulator.arrivals import Asked, asked
from simulator.closed_loop import Shape, measure
from simulator.cluster import DEMO
from simulator.engine_presets import PRESETS
from simulator.ticks import Ticked, tick_by_tick
from simulator.world import World

NOON = 1_795_608_000.0
MODEL = PRESETS["70b-fp8-2xh100"]
LOADS = [
    ("chat-70b", 0.3), ("chat-70b", 1.0), ("chat-70b", 2.0), ("chat-70b", 3.0),
    ("code-8b", 0.3), ("code-8b", 1.0),
]  # fmt: skip
"""An eighth of what it can do, two fifths, four fifths, and more; and one with fierce bursts."""


@cache
def levels(pool: str, factor: float) -> tuple[Levels, Levels]:
    return both(alone(DEMO, pool, factor), 5, NOON, 600.0)[:2]


def steady(rate: float, prompt: float, answer: float, ticks: int) -> Asked:
    """Always the same."""
    column = np.full((ticks, 1), rate)
    return Asked(column, column * prompt, column * answer, column * answer * (prompt + answer / 2))


@pytest.mark.parametrize(("pool", "factor"), LOADS)
def test_throughput_batch_cache_and_token_latency_agree(pool: str, factor: float) -> None:
    requests, flows = levels(pool, factor)
    assert flows.output_tokens == pytest.approx(requests.output_tokens, rel=0.08)
    assert flows.running == pytest.approx(requests.running, rel=0.15)
    assert flows.kv_share == pytest.approx(requests.kv_share, rel=0.15)
    assert flows.between_tokens == pytest.approx(requests.between_tokens, rel=0.1)


@pytest.mark.parametrize(("pool", "factor"), LOADS)
def test_utilisation_and_power_agree(pool: str, factor: float) -> None:
    requests, flows = levels(pool, factor)
    assert flows.busy == pytest.approx(requests.busy, abs=0.1)
    assert flows.watts == pytest.approx(requests.watts, rel=0.07)


def test_queue_and_wait_agree_in_saturation() -> None:
    requests, flows = levels("chat-70b", 3.0)
    assert requests.waiting > 100
    assert flows.waiting == pytest.approx(requests.waiting, rel=0.15)
    assert flows.to_first_token == pytest.approx(requests.to_first_token, rel=0.15)


@pytest.mark.parametrize("pool", ["chat-70b", "code-8b"])
def test_the_first_token_agrees_at_low_load(pool: str) -> None:
    requests, flows = levels(pool, 0.3)
    assert flows.to_first_token == pytest.approx(requests.to_first_token, rel=0.1)
    assert flows.waiting == pytest.approx(requests.waiting, abs=0.05)


def test_between_half_and_full_load_the_wait_is_told_too_short() -> None:
    """What docs/drill.md warns of; should this fail, the warning can go."""
    requests, flows = levels("chat-70b", 2.0)
    assert flows.to_first_token < 0.7 * requests.to_first_token


def test_the_calls_are_those_of_the_live_traffic() -> None:
    world = World(3, NOON, alone(DEMO, "code-8b", 1.0))
    table = asked(world.traffic.sources, world.now, 600, 1.0, 3)
    steps = [world.now + 0.5 * number for number in range(1200)]
    calls = [call for at in steps for call in world.traffic.until(at, at + 0.5)]
    assert 3 * table.requests.sum() == pytest.approx(len(calls), rel=0.02)
    answered = sum(call.output_tokens for call in calls)
    assert 3 * table.output_tokens.sum() == pytest.approx(answered, rel=0.02)
    live = np.bincount([int(call.at - world.start) for call in calls], minlength=600)[:600]
    assert np.corrcoef(live, table.requests.sum(axis=1))[0, 1] > 0.8, "bursts come when they come"


def test_nothing_is_lost_on_the_way() -> None:
    load = steady(6.0, 900.0, 160.0, 900)
    found = tick_by_tick([MODEL], [load], 1.0)
    came, gone = load.requests.sum(), found.output_tokens.sum() / 160.0
    assert found.waiting[-1, 0] > 100
    assert came == pytest.approx(gone + found.waiting[-1, 0] + found.running[-1, 0], rel=0.01)


def test_a_pool_is_no_other_beside_another() -> None:
    """Columns do not touch, also with another number of streams."""
    load = steady(1.0, 900.0, 160.0, 300)
    pair = Asked(*(np.hstack([one, one / 2]) for one in
                   (load.requests, load.fresh_tokens, load.output_tokens, load.held)))  # fmt: skip
    one, two = tick_by_tick([MODEL], [load], 1.0), tick_by_tick([MODEL] * 2, [pair, load], 1.0)
    for name in Ticked.__slots__:
        assert getattr(two, name)[:, 1].tolist() == pytest.approx(
            getattr(one, name)[:, 0].tolist(), nan_ok=True
        )


def test_full_throughput_is_that_of_the_engine_under_many_callers() -> None:
    shape = Shape(900, 160)
    engine = measure(MODEL, 120, shape, 960).tokens_per_second
    found = tick_by_tick([MODEL], [steady(20.0, 900.0, 160.0, 600)], 1.0)
    assert found.output_tokens[300:].mean() == pytest.approx(engine, rel=0.1)


def test_the_same_calls_give_the_same_flows() -> None:
    load = steady(3.0, 900.0, 160.0, 200)
    first, again = (tick_by_tick([MODEL], [load], 1.0) for _ in range(2))
    assert first.running.tobytes() == again.running.tobytes()


def test_an_idle_pool_does_nothing() -> None:
    found = tick_by_tick([MODEL], [steady(0.0, 1.0, 1.0, 10)], 1.0)
    assert not found.running.any()
    assert not found.busy.any()
    assert np.isnan(found.between_tokens).all()
