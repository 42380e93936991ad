"""What happens inside engines, containers and telemetry, as their pages and NVML show it."""

from typing import Any

import numpy as np
import pytest

from simulator.delivery import Delivery
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.container_lost_gpu import ContainerLostGpu
from simulator.faults.failures_undercounted import FailuresUndercounted
from simulator.faults.kv_transfer_broken import KvTransferBroken
from simulator.faults.pipeline_drops import PipelineDrops
from simulator.faults.sticky_gpu_telemetry import StickyGpuTelemetry
from simulator.faults.streams_cut import StreamsCut
from simulator.faults.zombie_requests import ZombieRequests
from simulator.pods import GRACE, Stage
from simulator.world import World

Watched = Any  # the fixture of conftest.py, which tests cannot import


def failed(world: World, pool: str) -> int:
    return sum(sum(one.attempts_failed.values())
               for (_, name), one in world.gateway.accounts.items() if name == pool)  # fmt: skip


def test_f07_requests_run_on_that_nobody_waits_for_and_end_with_the_fault(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(ZombieRequests(gone_per_minute=6.0, duration=600.0))
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    watched.over(500.0)
    inside = len(pod.engine.requests())
    assert inside >= world.gateway.in_flight[pod.uid] + 15
    watched.over(120.0)
    assert len(pod.engine.requests()) == world.gateway.in_flight[pod.uid]


def test_f12_calls_fail_as_each_pod_ends_and_at_no_other_time(watched: Watched) -> None:
    world: World = watched.world
    before = failed(world, "chat-70b")
    watched.inject(StreamsCut(grace=0.0, duration=900.0))
    old, at_ends, elsewhere = len(world.pods("chat-70b")), 0, 0
    for _ in range(60):
        pods, count = len(world.pods("chat-70b")), failed(world, "chat-70b")
        watched.over(10.0)
        new = failed(world, "chat-70b") - count
        at_ends, elsewhere = (
            (at_ends + new, elsewhere)
            if len(world.pods("chat-70b")) < pods
            else (at_ends, elsewhere + new)
        )
    assert at_ends >= old
    assert elsewhere == 0
    assert failed(world, "chat-70b") - before == at_ends
    watched.over(400.0)
    assert {pod.grace for pod in world.pods("chat-70b")} == {GRACE}


def test_f13_the_cache_fills_with_nobody_in_it_until_the_process_ends(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(KvTransferBroken(how="leaked", lost_per_minute=0.06, duration=450.0))
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    other = next(one for one in world.pods("chat-70b") if one is not pod)
    watched.over(400.0)
    assert pod.engine.kv_usage > other.engine.kv_usage + 0.2
    assert pod.engine.kv_lost == pytest.approx(0.4 * pod.engine.kv_capacity, rel=0.01)
    watched.over(60.0)
    assert pod.engine.kv_lost == 0
    assert pod.engine.kv_usage < 0.7


def test_f48_engines_of_one_node_die_within_seconds_and_start_anew(watched: Watched) -> None:
    world: World = watched.world
    fault = ContainerLostGpu(pool="code-8b", every=200.0, spread=2.0, duration=300.0)
    watched.inject(fault)
    watched.over(5.0)
    down = [pod for pod in world.pods() if pod.stage is not Stage.READY]
    assert {pod.pool.name for pod in down} == {"code-8b"}
    assert len(down) == 3
    assert not any(world.bank.xid_events[gpu] for pod in down for gpu in pod.gpus)
    watched.over(120.0)
    assert all(pod.stage is Stage.READY and pod.restarts == 1 for pod in down)
    watched.over(120.0)
    assert all(pod.restarts == 2 for pod in down), "the next reload hits those containers too"
    watched.over(250.0)
    assert all(pod.restarts == 2 and pod.stage is Stage.READY for pod in down)


def test_f54_readings_repeat_while_the_boards_work_on(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(StickyGpuTelemetry(share=0.25, duration=300.0))
    nvml, bank = world.nvml(), world.bank
    stuck = [bank.index_of(uuid) for uuid in injection.fault.uuids]
    assert len(stuck) == 2

    def power(at: int) -> int:
        return int(nvml.nvmlDeviceGetPowerUsage(nvml.nvmlDeviceGetHandleByIndex(at)))

    seen: dict[int, set[int]] = {at: set() for at in range(8)}
    true: set[float] = set()
    for _ in range(10):
        watched.over(20.0)
        true.add(float(bank.power[stuck[0]]))
        for at, values in seen.items():
            values.add(power(at))
    assert [len(seen[at]) for at in stuck] == [1, 1]
    assert all(
        len(values) > 5 for at, values in seen.items() if at not in stuck and bank.holders[at]
    )
    assert len(true) > 5
    watched.over(150.0)
    assert power(stuck[0]) == round(1000 * float(bank.power[stuck[0]]))


def test_f55_failed_calls_are_on_the_gateways_page_and_not_on_the_engines(watched: Watched) -> None:
    world: World = watched.world
    before = failed(world, "code-8b")
    watched.inject(FailuresUndercounted(failed_per_minute=10.0, duration=700.0))
    aborts = {pod.uid: pod.engine.tally.finished["abort"] for pod in world.pods("code-8b")}
    watched.over(600.0)
    assert failed(world, "code-8b") - before == pytest.approx(100, abs=35)
    for pod in world.pods("code-8b"):
        assert pod.engine.tally.finished["abort"] == aborts[pod.uid]
    watched.over(120.0)
    assert not any(pod.engine.tally.forgets_aborts for pod in world.pods("code-8b"))


def test_f56_rounds_are_lost_on_the_way_and_the_pages_are_there(watched: Watched) -> None:
    world: World = watched.world
    fault, rng = PipelineDrops(lost=0.6, duration=1500.0), np.random.default_rng(1)
    arrived = 0
    for turn in range(100):
        fault.apply(world, 15.0 * turn, rng)
        arrived += len(world.sight.delivery.carry(15.0 * turn, []))
    assert 25 <= arrived <= 55
    assert SimulatedReach(world).get(page_targets(world)[0].url, {}, 1.0).status == 200
    fault.clear(world)
    assert not world.sight.delivery.losing


def test_a_slow_way_delivers_late_and_in_order() -> None:
    delivery = Delivery(delay=30.0)
    sent = [delivery.carry(15.0 * turn, []) for turn in range(5)]
    assert [[moment for moment, _ in batches] for batches in sent] == [
        [],
        [],
        [0.0],
        [15.0],
        [30.0],
    ]
