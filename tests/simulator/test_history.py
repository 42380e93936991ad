"""History and the live world are one story."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from collectors.litellm import Litellm
from collectors.llamacpp import Llamacpp
from collectors.nvml import Nvml
from collectors.vllm import Vllm
from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.history import Block, anchored, history
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.schedule import DEMO
from simulator.world import World
from vocabulary.samples import Sample, Series

DAY = 86_400.0
READERS: dict[str, Any] = {"vllm": Vllm(), "llamacpp": Llamacpp(), "litellm": Litellm()}


def live(world: World) -> dict[Series, float]:
    """What the real collectors read now."""
    samples: list[Sample] = []
    for target in page_targets(world):
        container = dict(target.labels)["replica"].rpartition("/")[2]
        samples += READERS[container].collect(target, SimulatedReach(world), world.now)
    for target in node_targets(world):
        reach = SimulatedReach(world, dict(target.labels)["node"])
        samples += Nvml().collect(target, reach, world.now)
    return {sample.series: sample.value for sample in samples}


def whole(world: World, **settings: Any) -> tuple[Block, Block]:
    coarse, fine = history(world, **settings)
    return coarse, fine


def test_two_weeks_are_made_in_a_moment(new_world: Callable[[int], World]) -> None:
    world = new_world(1)
    began = time.process_time()
    coarse, fine = whole(world)
    assert time.process_time() - began < 5.0
    assert len(coarse.series) > 300
    assert len(set(coarse.series)) == len(coarse.series)
    assert coarse.times[0] == world.start - 14 * DAY
    assert np.all(np.diff(coarse.times) == 300.0)
    assert fine.times[-1] == world.start - 15.0
    assert fine.times[0] > coarse.times[-1]
    assert coarse.values.shape == (len(coarse.series), len(coarse.times))
    assert not np.isnan(coarse.values).any()


def test_every_series_of_history_is_one_that_collectors_read_live(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(1)
    coarse, _fine = whole(world)
    world.advance(world.start + 15.0)
    assert not set(coarse.series) - set(live(world))


def test_counters_go_on_in_the_live_world_without_a_reset(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(1)
    coarse, fine = whole(world)
    world.advance(world.start + 15.0)
    now = live(world)
    checked = 0
    for at, series in enumerate(fine.series):
        if not series.name.endswith(("_total", "_count", "_sum")):
            continue
        path = [*coarse.values[at], *fine.values[at], now[series]]
        assert np.all(np.diff(path) >= -1e-6 * abs(path[-1])), series
        assert path[0] >= 0
        checked += 1
    assert checked > 150


def asked(world: World, begin: float, end: float) -> float:
    times = world.start + np.arange(begin, end, 60.0)
    return sum(float(one.rate(times).mean()) for one in world.traffic.sources)


@pytest.mark.parametrize("hour", [3, 12, 19])
def test_rates_before_and_after_the_start_agree_within_a_tenth(hour: int) -> None:
    world = World(4, 1_795_564_800.0 + hour * 3600.0)
    _coarse, fine = whole(world, recent=5400.0)
    world.advance(world.start + 1.0)
    begin = live(world)
    world.advance(world.start + 5401.0)
    end = live(world)
    season = asked(world, 0.0, 5400.0) / asked(world, -5400.0, 0.0)
    for word in ("requests_finished", "input_tokens", "output_tokens", "gateway_operations"):
        past = present = 0.0
        for at, series in enumerate(fine.series):
            if word in series.name and series.name.endswith("_total"):
                past += fine.values[at][-1] - fine.values[at][0]
                present += end[series] - begin[series]
        assert present / past == pytest.approx(season, rel=0.1), word


def test_levels_before_and_after_the_start_agree(new_world: Callable[[int], World]) -> None:
    world = new_world(4)
    _coarse, fine = whole(world)
    past = {series: fine.values[at] for at, series in enumerate(fine.series)}
    begin = {}
    running: dict[Series, list[float]] = {}
    for scrape in range(60):
        world.advance(world.start + 1.0 + 60.0 * scrape)
        now = live(world)
        begin = begin or now
        for series, value in now.items():
            if series.name == "tidegauge_llm_requests_running":
                running.setdefault(series, []).append(value)
    for pool in ("serving/chat-70b", "serving/edge-3b"):
        mine = [series for series in running if series.label("pool") == pool]
        before = np.mean([past[series].mean() for series in mine])
        assert np.mean([running[series] for series in mine]) == pytest.approx(before, rel=0.25)
    for stem in ("tidegauge_llm_inter_token_latency_seconds",):
        for series in [one for one in now if one.name == f"{stem}_count" and
                       one.label("pool") == "serving/chat-70b"]:  # fmt: skip
            total = Series(f"{stem}_sum", series.labels)
            after = (now[total] - begin[total]) / (now[series] - begin[series])
            then = (past[total][-1] - past[total][0]) / (past[series][-1] - past[series][0])
            assert after == pytest.approx(then, rel=0.2)


def test_the_day_can_be_seen_in_it(new_world: Callable[[int], World]) -> None:
    world = new_world(2)
    coarse, _fine = whole(world)
    (at,) = [
        index
        for index, series in enumerate(coarse.series)
        if series.name == "tidegauge_gateway_operations_total"
        and series.label("tenant") == "code-assist"
        and series.label("model") == "code-8b"
    ]
    rate = np.diff(coarse.values[at])
    hours = (coarse.times[:-1] / 3600.0) % 24
    peak = rate[(hours > 12) & (hours < 14)].mean()
    night = rate[(hours > 0) & (hours < 2)].mean()
    assert peak > 2 * night


def test_a_nightly_batch_is_in_history_at_the_same_time_of_day(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(2)
    coarse, _fine = whole(world, nightly=[(7200.0, NightlyBatch(factor=7.0, duration=3600.0))])
    (at,) = [index for index, series in enumerate(coarse.series)
             if series.name == "tidegauge_gateway_operations_total"
             and series.label("tenant") == "batch-eval"]  # fmt: skip
    rate = np.diff(coarse.values[at]) / 300.0
    since = (coarse.times[:-1] - world.start - 7200.0) % DAY
    inside, outside = rate[since < 3600.0], rate[since >= 3600.0]
    assert inside.mean() > 5 * outside.mean()
    assert len(inside) == 14 * 12
    assert DEMO.batches(), "the demo's batch is one that history can show"


def test_history_is_refused_once_the_world_has_moved(new_world: Callable[[int], World]) -> None:
    world = new_world(2)
    world.advance(world.start + 5.0)
    with pytest.raises(ValueError, match="before the world moves"):
        next(history(world))


def test_a_counter_ends_where_it_should() -> None:
    rate, widths = np.array([1.0, 2.0, 3.0]), np.array([10.0, 10.0, 10.0])
    assert anchored(rate, widths, 100.0).tolist() == [40.0, 50.0, 70.0]
    assert anchored(rate, widths, 45.0).tolist() == [0.0, 10.0, 15.0], "an earlier process before"
    assert anchored(rate, widths, 5.0).tolist() == [0.0, 10.0, 30.0], "a reset follows"
