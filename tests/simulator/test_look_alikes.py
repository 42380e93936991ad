"""Harmless things look like faults, and harm nobody."""

from typing import Any

import numpy as np
import pytest

from simulator.fast import SimulatedReach, page_targets
from simulator.look_alikes.counter_reset import CounterReset
from simulator.look_alikes.model_swap import ModelSwap
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.look_alikes.scrape_gap import ScrapeGap
from simulator.world import World
from vocabulary.errors import SourceHung

Watched = Any


def failures(world: World) -> int:
    return sum(sum(one.failed.values()) for one in world.gateway.accounts.values())


def test_b03_a_batch_multiplies_one_tenants_calls_and_fails_none(watched: Watched) -> None:
    world: World = watched.world

    def done() -> int:
        return int(world.gateway.accounts[("batch-eval", "code-8b")].succeeded)

    start = done()
    watched.over(600.0)
    usual = done() - start
    watched.inject(NightlyBatch(factor=6.0, duration=900.0))
    start = done()
    watched.over(600.0)
    assert 4.0 < (done() - start) / usual < 8.0
    assert failures(world) == 0
    watched.over(600.0)
    assert all(source.rate_factor == 1.0 for source in world.traffic.of("batch-eval"))


def test_b05_old_series_end_and_new_ones_begin_at_other_levels(
    watched: Watched, mean_itl: Any
) -> None:
    world: World = watched.world
    before = watched.over(300.0)
    old = {dict(door.labels)["replica"]: dict(door.labels)["model"] for door in world.targets()[:-1]
           if door.name.startswith("edge")}  # fmt: skip
    level = np.mean([mean_itl(before[pod.uid]) for pod in world.pods("edge-3b")])
    watched.inject(ModelSwap())
    watched.over(300.0)
    new = {dict(door.labels)["replica"]: dict(door.labels)["model"] for door in world.targets()[:-1]
           if door.name.startswith("edge")}  # fmt: skip
    assert not set(old) & set(new)
    assert set(old.values()) == {"edge-3b"}
    assert set(new.values()) == {"edge-4b"}
    after = watched.over(300.0)
    assert np.mean([mean_itl(after[pod.uid]) for pod in world.pods("edge-3b")]) > 1.2 * level
    assert [change.kind for change in world.changes(world.start)] == ["model"]
    assert failures(world) <= 3


def test_b09_nothing_can_be_read_for_a_while_and_counters_have_jumped_after(
    watched: Watched,
) -> None:
    world: World = watched.world
    reach = SimulatedReach(world)
    target = page_targets(world)[0]
    first = reach.get(target.url, {}, 3.0).body
    watched.inject(ScrapeGap(duration=60.0))
    assert not world.scraping
    with pytest.raises(SourceHung):
        reach.get(target.url, {}, 3.0)
    moved = watched.over(75.0)
    assert world.scraping
    assert reach.get(target.url, {}, 3.0).body != first
    assert min(counts["steps"] for counts in moved.values()) > 100, "the world went on"


@pytest.mark.parametrize("pool", ["", "chat-70b"])
def test_b10_counters_begin_at_zero_and_no_call_is_lost(watched: Watched, pool: str) -> None:
    world: World = watched.world
    injection = watched.inject(CounterReset(pool=pool))
    watched.over(120.0)
    assert failures(world) == 0
    assert world.changes(world.start - 1.0)[0].kind == "restart"
    if pool:
        pod = world.pod_of(injection.fault.victim)
        assert pod is not None
        assert 0 < pod.engine.tally.prompt_tokens < 2_000_000
        assert pod.engine.tally.started > world.start - 1
    else:
        total = sum(one.succeeded for one in world.gateway.accounts.values())
        assert 0 < total < 5000
        assert world.gateway.started >= world.start
