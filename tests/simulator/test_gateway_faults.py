"""What goes wrong, or only seems to, at the gateway, in its books and in its callers."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from simulator.accounts import Account, list_price
from simulator.fast import SimulatedReach, page_targets
from simulator.fault import Fault
from simulator.faults.autoscaler_stuck import AutoscalerStuck
from simulator.faults.context_bloat import ContextBloat
from simulator.faults.idle_gpu import IdleGpu
from simulator.faults.leaked_key import LeakedKey
from simulator.faults.over_replication import OverReplication
from simulator.faults.router_down import RouterDown
from simulator.faults.slow_interconnect import SlowInterconnect
from simulator.faults.spend_data_wrong import SpendDataWrong
from simulator.history import history
from simulator.look_alikes.canary import Canary
from simulator.look_alikes.clock_change import ClockChange
from simulator.look_alikes.price_update import PriceUpdate
from simulator.look_alikes.replica_flip import ReplicaFlip
from simulator.pages.litellm import spend
from simulator.world import World
from vocabulary.samples import Array

Watched = Any  # the fixture of conftest.py, which tests cannot import


def of_pool(world: World, pool: str) -> list[Account]:
    return [one for (_, name), one in world.gateway.accounts.items() if name == pool]


def failed(world: World, pool: str) -> int:
    return sum(sum(one.attempts_failed.values()) for one in of_pool(world, pool))


def tried(world: World, pool: str) -> int:
    return failed(world, pool) + sum(one.attempts_ok for one in of_pool(world, pool))


def booked(world: World, pool: str) -> tuple[Decimal, Decimal]:
    """Dollars of a pool so far: as booked, and at list price."""
    spec, accounts = world.spec.pool(pool), of_pool(world, pool)
    due = [list_price(spec, one.input_tokens, one.cached_tokens, one.output_tokens)
           for one in accounts]  # fmt: skip
    return sum((spend(one, spec) for one in accounts), Decimal(0)), sum(due, Decimal(0))


def test_f09_calls_end_at_the_route_and_engines_run_dry(watched: Watched) -> None:
    world: World = watched.world
    watched.inject(RouterDown(pool="code-8b", share=1.0, duration=300.0))
    before = tried(world, "code-8b"), failed(world, "code-8b")
    watched.over(240.0)
    assert failed(world, "code-8b") - before[1] > 0.9 * (tried(world, "code-8b") - before[0]) > 100
    assert all(pod.engine.running + pod.engine.queued == 0 for pod in world.pods("code-8b"))
    assert failed(world, "edge-3b") == 0
    watched.over(120.0)
    assert any(pod.engine.running for pod in world.pods("code-8b")), "it recovers"


def test_f23_a_blind_autoscaler_keeps_one_replica_until_it_sees_again(watched: Watched) -> None:
    world: World = watched.world
    watched.inject(AutoscalerStuck(duration=300.0))
    watched.over(120.0)
    assert len(world.pods("chat-70b")) == 1
    assert [one.what for one in world.changes(world.start)] == ["replicas 3 → 1"]
    watched.over(900.0)
    assert len(world.pods("chat-70b")) >= 2, "it recovers"


def test_f31_a_keys_calls_multiply_from_one_minute_to_the_next(watched: Watched) -> None:
    world: World = watched.world
    mine = world.gateway.account("code-assist", "chat-70b")
    count = mine.operations
    watched.over(300.0)
    usual = mine.operations - count
    watched.inject(LeakedKey(factor=20.0, duration=300.0))
    count, tokens = mine.operations, mine.input_tokens
    watched.over(290.0)
    assert mine.operations - count > 8 * usual
    assert (mine.input_tokens - tokens) / (mine.operations - count) < 1000.0


@pytest.mark.parametrize("fault", [SpendDataWrong(booked="0.1"), PriceUpdate(price=0.75)])
def test_f37_b16_the_books_leave_the_list_price_and_come_back(
    watched: Watched, fault: SpendDataWrong | PriceUpdate
) -> None:
    world: World = watched.world
    share = float(fault.booked) if isinstance(fault, SpendDataWrong) else fault.price
    paid, due = booked(world, "chat-70b")
    assert paid == due
    watched.inject(fault)
    paid, due = booked(world, "chat-70b")
    watched.over(300.0)
    now = booked(world, "chat-70b")
    assert float(now[0] - paid) == pytest.approx(share * float(now[1] - due), rel=1e-3)
    told = [one.kind for one in world.changes(world.start - 1.0)]
    assert told == (["price"] if fault.benign else [])


def test_b06_the_day_of_one_tenant_comes_an_hour_earlier(watched: Watched) -> None:
    (mine,) = watched.world.traffic.of("code-assist", "chat-70b")
    (other,) = watched.world.traffic.of("search", "chat-70b")
    times = np.array([watched.world.now]) + np.arange(24) * 3600.0
    before = (mine.tenant.season(times), other.rate(times))
    watched.inject(ClockChange())
    noise = mine.rate(times) / mine.tenant.season(times + 3600.0) / mine.stream.rate
    assert np.all(np.abs(noise - 1.0) < 0.5)
    assert mine.clock_shift == 3600.0
    assert not np.allclose(mine.tenant.season(times + mine.clock_shift), before[0])
    assert np.array_equal(other.rate(times), before[1])


def test_b08_a_canary_gets_a_few_calls_and_goes_again(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(Canary(share=0.05, duration=1500.0))
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    assert pod.version == "0.33.0"
    watched.over(120.0)
    moved = watched.over(1300.0)
    steps = moved.pop(pod.uid)["generated"]
    others = sum(moved[one.uid]["generated"] for one in world.pods("code-8b") if one is not pod)
    assert 0.005 < steps / others < 0.12
    watched.over(200.0)
    assert world.pod_of(injection.fault.victim) is None


def test_b15_pages_are_listed_twice_for_a_while(watched: Watched) -> None:
    world: World = watched.world
    before = page_targets(world)
    watched.inject(ReplicaFlip(overlap=120.0, duration=300.0))
    both = page_targets(world)
    assert len(both) == 2 * len(before)
    assert len({one.url for one in both}) == len(both)
    assert SimulatedReach(world).get(both[-1].url, {}, 1.0).body.startswith(b"# HELP")
    watched.over(150.0)
    assert {one.url for one in page_targets(world)}.isdisjoint(one.url for one in before)
    watched.over(200.0)
    assert page_targets(world) == before


DAY = 86_400.0


def grew(world: World, name: str, **labels: str) -> Array:
    """What counters grew by on each of the last four days of history, summed over series."""
    block = next(iter(history(world, span=4 * DAY, recent=3600.0)))
    rows = [values for series, values in zip(block.series, block.values, strict=True)
            if series.name == name and set(labels.items()) <= set(series.labels)]  # fmt: skip
    days = np.searchsorted(block.times, world.start - DAY * np.arange(4.0, -1.0, -1.0))
    counts = np.sum(rows, axis=0)[np.minimum(days, len(block.times) - 1)]
    return np.asarray(np.diff(counts))


def placed(fault: Fault) -> World:
    """A Friday, so that the days before it are working days."""
    world = World(1, 1_763_683_200.0 + 43_200.0)
    world.inject(fault, world.start)
    return world


def test_f33_prompts_were_shorter_on_every_day_before() -> None:
    world = placed(ContextBloat(growth=0.05))
    who = {"tenant": "support-bot", "model": "chat-70b", "vantage": "gateway"}
    tokens = grew(world, "tidegauge_llm_input_tokens_total", **who)
    calls = grew(world, "tidegauge_gateway_operations_total", **who)
    ratio = (tokens / calls)[1:] / (tokens / calls)[:-1]
    assert ratio == pytest.approx(1.05, abs=0.01)
    world.advance(world.start + 1.0)
    (source,) = world.traffic.of("support-bot", "chat-70b")
    assert source.prompt_factor == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("fault", [IdleGpu(before=2 * DAY), OverReplication(before=DAY / 2)])
def test_f38_f39_calls_had_left_before_the_world_began(fault: IdleGpu | OverReplication) -> None:
    world = placed(fault)
    whose = {"pool": f"serving/{fault.pool}", "vantage": "engine"}
    days = grew(world, "tidegauge_llm_input_tokens_total", **whose)
    if isinstance(fault, IdleGpu):
        assert days[0] > 0.0
        assert np.all(days[2:] == 0.0)
    else:
        assert 0.0 < days[3] < 0.75 * days[1]
    world.advance(world.start + 60.0)
    assert {one.rate_factor for one in world.traffic.of(pool=fault.pool)} <= {0.0, 0.03}


def test_f26_packets_are_sent_again_and_a_new_start_takes_longer(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(SlowInterconnect(replays=20.0, slower=3.0, duration=300.0))
    watched.over(100.0)
    pod = world.pod_of(injection.fault.held_by)
    assert pod is not None
    nvml = world.nvml()
    counts = [nvml.nvmlDeviceGetPcieReplayCounter(nvml.nvmlDeviceGetHandleByIndex(index))
              for index in range(len(world.bank.places))]  # fmt: skip
    assert counts[pod.gpus[0]] == pytest.approx(2000, rel=0.05)
    assert sum(counts) == counts[pod.gpus[0]]
    assert pod.load_factor == 3.0
    watched.over(300.0)
    assert pod.load_factor == 1.0
