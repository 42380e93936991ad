"""Harmless things look like faults, and harm nobody."""

from typing import Any

import numpy as np
import pytest

from simulator.fast import SimulatedReach, page_targets
from simulator.gpus import SW_POWER_CAP
from simulator.look_alikes.application_xid import ApplicationXid
from simulator.look_alikes.counter_reset import CounterReset
from simulator.look_alikes.deploy_warm_up import DeployWarmUp
from simulator.look_alikes.load_test import LoadTest
from simulator.look_alikes.model_swap import ModelSwap
from simulator.look_alikes.monday_ramp import MondayRamp
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.look_alikes.power_cap import PowerCap
from simulator.look_alikes.scale_up import ScaleUp
from simulator.look_alikes.scrape_gap import ScrapeGap
from simulator.look_alikes.traffic_shift import TrafficShift
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


def test_b01_fresh_pods_are_slow_until_they_are_warm(watched: Watched, mean_itl: Any) -> None:
    world: World = watched.world
    level = np.mean([mean_itl(one) for one in watched.over(300.0).values()][3:6])
    fault = DeployWarmUp(pool="code-8b", slowdown=3.0, warm=300.0)
    watched.inject(fault)
    while not any(pod.version == fault.version and pod.answers for pod in world.pods("code-8b")):
        world.advance(world.now + 15.0)
    (fresh,) = [pod for pod in world.pods("code-8b") if pod.version == fault.version]
    cold = watched.over(60.0)[fresh.uid]
    assert mean_itl(cold) > 1.8 * level
    watched.over(400.0)
    assert fresh.engine.slowdown == 1.0
    assert failures(world) == 0


def test_b02_calls_move_and_their_sum_stays(watched: Watched) -> None:
    world: World = watched.world

    def calls(pool: str) -> int:
        return int(world.gateway.accounts[("support-bot", pool)].operations)

    def over(seconds: float) -> tuple[int, int]:
        before = calls("chat-70b"), calls("code-8b")
        watched.over(seconds)
        return calls("chat-70b") - before[0], calls("code-8b") - before[1]

    usual = over(900.0)
    watched.inject(TrafficShift(share=0.7, duration=2000.0))
    watched.over(60.0)
    moved = over(900.0)
    assert moved[0] < 0.5 * usual[0]
    assert moved[1] > 1.7 * usual[1]
    assert 0.75 < sum(moved) / sum(usual) < 1.3
    assert failures(world) == 0


def test_b04_a_replica_comes_and_goes(watched: Watched) -> None:
    world: World = watched.world
    watched.inject(ScaleUp(duration=600.0))
    assert len(world.pods("chat-70b")) == 4
    watched.over(700.0)
    assert world.deployments["chat-70b"].replicas == 3
    assert [change.kind for change in world.changes(world.start - 1.0)] == ["scale", "scale"]
    assert failures(world) == 0


def test_b07_everybody_stays_away_and_comes_back(watched: Watched) -> None:
    world: World = watched.world
    watched.inject(MondayRamp(left=0.3, ramp=300.0, duration=1500.0))
    world.advance(world.now + 600.0)
    assert [one.rate_factor for one in world.traffic.sources] == pytest.approx(
        [0.3] * len(world.traffic.sources)
    )
    world.advance(world.now + 900.0)
    assert {source.rate_factor for source in world.traffic.sources} == {1.0}


def test_b12_a_new_tenant_asks_a_lot_and_harms_nobody(watched: Watched) -> None:
    world: World = watched.world
    watched.inject(LoadTest(rate=2.0, duration=600.0))
    watched.over(700.0)
    tested = world.gateway.accounts[("load-test", "code-8b")]
    assert 1000 < tested.succeeded < 1400
    assert failures(world) == 0
    assert world.traffic.extra == []


def test_b13_the_clocks_of_a_node_fall_and_steps_take_as_long(
    watched: Watched, mean_itl: Any
) -> None:
    world: World = watched.world
    level = np.mean([mean_itl(one) for one in watched.over(300.0).values()][:3])
    clock = world.bank.clock[0]
    watched.inject(PowerCap(clock_share=0.8))
    capped = np.mean([mean_itl(one) for one in watched.over(300.0).values()][:3])
    assert world.bank.clock[0] == pytest.approx(0.8 * clock, rel=0.03)
    assert world.bank.reasons(0) & SW_POWER_CAP
    assert capped == pytest.approx(level, rel=0.15)


def test_b14_an_xid_is_told_once_and_the_engine_goes_on(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(ApplicationXid(xid="43"))
    at = world.bank.index_of(injection.fault.victim)
    assert world.bank.xid_events[at] == [43]
    moved = watched.over(60.0)
    assert min(one["steps"] for one in moved.values()) > 100
    assert not world.bank.lost[at]
