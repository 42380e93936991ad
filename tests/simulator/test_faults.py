"""Each fault shows its own signature, and leaves when it is over."""

import itertools
from typing import Any

import numpy as np
import pytest

from simulator import faults, look_alikes
from simulator.fault import Fault
from simulator.faults.engine_dead import EngineDead
from simulator.faults.engine_stalled import EngineStalled
from simulator.faults.kv_exhaustion import KvExhaustion
from simulator.faults.retry_storm import RetryStorm
from simulator.faults.runaway_agent import RunawayAgent
from simulator.faults.straggler_gpu import StragglerGpu
from simulator.faults.throughput_regression import ThroughputRegression
from simulator.pods import Stage
from simulator.world import World
from vocabulary import failure_modes
from vocabulary.discovery import discover

Watched = Any  # the fixture of conftest.py, which tests cannot import


def everything() -> dict[str, type[Fault]]:
    return {**discover(faults, Fault), **discover(look_alikes, Fault)}  # type: ignore[type-abstract]


def test_every_file_is_one_fault_named_like_its_failure_mode() -> None:
    found = everything()
    assert len({fault.failure_mode for fault in found.values()}) == len(found) >= 20
    for name, fault in found.items():
        assert failure_modes.BY_WORD[name] is fault.failure_mode
        assert fault.benign == fault.failure_mode.code.startswith("B")
        assert fault.benign or fault.detect_within > 0


def test_every_fault_and_look_alike_of_the_catalogue_has_a_file() -> None:
    """Either it can be injected, or its file says why not."""
    wanted = {*(f"F{number:02}" for number in range(1, 58)),
              *(f"B{number:02}" for number in range(1, 17))}  # fmt: skip
    kinds = {kind.failure_mode.code: kind for kind in everything().values()}
    assert kinds.keys() == wanted
    assert wanted <= failure_modes.BY_CODE.keys()
    for code, kind in kinds.items():
        assert not kind.unsimulated or len(kind.unsimulated) > 30, f"{code} says no reason"


@pytest.mark.parametrize("name", sorted(everything()))
def test_parameters_are_drawn_from_their_ranges_by_seed(name: str) -> None:
    kind = everything()[name]
    for seed in range(20):
        drawn = kind.draw(np.random.default_rng(seed))
        assert drawn == kind.draw(np.random.default_rng(seed))
        assert drawn.duration > 0
        for field in kind.__dataclass_fields__.values():
            if "range" in field.metadata:
                low, high = field.metadata["range"]
                assert low <= getattr(drawn, field.name) <= high
                assert low <= field.default <= high, "the default lies in the range, too"
    assert kind.draw(np.random.default_rng(1), duration=5.0).duration == 5.0


@pytest.mark.parametrize("name", sorted(everything()))
def test_truth_names_entities_once_it_has_begun(name: str, watched: Watched) -> None:
    injection = watched.inject(everything()[name]())
    truth = injection.truth()
    assert truth["code"] == injection.fault.failure_mode.code
    assert truth["failure_mode"] == name
    assert truth["began"]
    assert truth["until"] - truth["at"] == truth["duration"]
    assert truth["entities"]
    for entity in truth["entities"]:
        kind, _, entity_id = entity.partition("/")
        assert kind in {"replica", "pool", "gpu", "tenant", "route", "cluster", "node"}
        assert entity_id


def test_f01_steps_stand_still_while_work_waits_and_the_page_answers(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(EngineStalled(duration=600.0))
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    running = pod.engine.running
    assert running > 0
    moved = watched.over(300.0)
    mine = moved.pop(pod.uid)
    assert (mine["steps"], mine["generated"]) == (0, 0)
    assert pod.engine.running == running
    assert pod.engine.queued > 5
    page = world.page(pod.name).decode()
    assert f'vllm:num_requests_running{{engine="0",model_name="chat-70b"}} {running}.0' in page
    assert all(
        moved[other.uid]["steps"] > 1000 for other in world.pods("chat-70b") if other.uid in moved
    )
    gpu = pod.gpus[0]
    assert world.bank.utilization[gpu] > 0.99
    watched.over(700.0)
    assert watched.over(60.0)[pod.uid]["steps"] > 0, "it recovers when the fault is over"


def test_f01_can_stall_with_idle_gpus(watched: Watched) -> None:
    injection = watched.inject(EngineStalled(spins=False))
    watched.over(120.0)
    pod = watched.world.pod_of(injection.fault.victim)
    assert watched.world.bank.utilization[pod.gpus[0]] < 0.01


def test_f02_the_container_restarts_again_and_again_with_growing_pauses(watched: Watched) -> None:
    world: World = watched.world
    injection = watched.inject(EngineDead(duration=900.0))
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    assert pod.stage is Stage.DOWN
    assert world.bank.xid_events[pod.gpus[0]] == [31]
    watched.over(880.0)
    restarts = [one for one in world.changes(world.start) if one.kind == "restart"]
    assert len(restarts) >= 4
    gaps = np.diff([one.at for one in restarts])
    assert all(later > earlier for earlier, later in itertools.pairwise(gaps))
    watched.over(500.0)
    assert pod.stage is Stage.READY
    assert pod.back_off > 10.0


def test_f15_the_cache_is_full_and_requests_are_preempted(watched: Watched, mean_itl: Any) -> None:
    world: World = watched.world
    before = watched.over(300.0)
    assert sum(counts["preempted"] for counts in before.values()) == 0
    watched.inject(KvExhaustion())
    watched.over(300.0)
    fullest = []
    watched.mark()
    for _scrape in range(40):
        world.advance(world.now + 15.0)
        fullest.append(max(pod.engine.kv_usage for pod in world.pods("chat-70b")))
    for pod in world.pods("chat-70b"):
        if pod.uid not in before:
            continue
        now, then = watched.counts(pod), watched.marks[pod.uid]
        change = {name: now[name] - then[name] for name in now}
        assert change["preempted"] / 600.0 > 0.05
        assert mean_itl(change) > 1.2 * mean_itl(before[pod.uid])
    assert np.quantile(fullest, 0.6) > 0.95


@pytest.mark.parametrize("hour", [0, 9, 18])
def test_f15_preempts_at_any_hour_of_the_day(hour: int) -> None:
    world = World(3, 1_795_564_800.0 + hour * 3600.0)
    world.inject(KvExhaustion())
    world.advance(world.start + 1200.0)
    assert sum(pod.engine.tally.preemptions for pod in world.pods("chat-70b")) > 60


def test_f27_steps_take_longer_on_the_new_revision_alone(watched: Watched, mean_itl: Any) -> None:
    world: World = watched.world
    before = [mean_itl(one) for uid, one in watched.over(600.0).items()
              if uid in {pod.uid for pod in world.pods("code-8b")}]  # fmt: skip
    other = mean_itl(watched.over(60.0)[world.pods("edge-3b")[0].uid])
    watched.inject(ThroughputRegression(slowdown=2.0, duration=3600.0))
    watched.over(400.0)
    assert {pod.version for pod in world.pods("code-8b")} == {"0.33.0"}
    assert world.changes(world.start)[0].what == "image vllm 0.32.0 → 0.33.0"
    after = watched.over(600.0)
    for pod in world.pods("code-8b"):
        assert mean_itl(after[pod.uid]) > 1.6 * np.mean(before)
    assert mean_itl(after[world.pods("edge-3b")[0].uid]) < 1.3 * other
    watched.over(3600.0)
    assert {pod.version for pod in world.pods("code-8b")} == {"0.32.0"}, "it is rolled back"
    again = watched.over(300.0)
    assert all(mean_itl(again[pod.uid]) < 1.4 * np.mean(before) for pod in world.pods("code-8b"))


def test_f30_one_tenant_burns_many_times_its_own_base(watched: Watched) -> None:
    world: World = watched.world

    def spent() -> dict[tuple[str, str], int]:
        return {key: one.input_tokens for key, one in world.gateway.accounts.items()}

    start = spent()
    watched.over(900.0)
    usual = {key: value - start[key] for key, value in spent().items()}
    watched.inject(RunawayAgent(duration=1800.0))
    watched.over(300.0)
    start = spent()
    watched.over(900.0)
    now = {key: value - start[key] for key, value in spent().items()}
    mine = ("code-assist", "chat-70b")
    assert now[mine] > 8 * usual[mine]
    for key, value in now.items():
        if key != mine:
            assert value < 1.7 * usual[key], key
    assert sum(sum(one.failed.values()) for one in world.gateway.accounts.values()) == 0
    watched.over(900.0)
    assert not world.traffic.extra


def test_f24_one_clock_falls_and_its_replica_alone_slows(watched: Watched, mean_itl: Any) -> None:
    world: World = watched.world
    before = watched.over(300.0)
    injection = watched.inject(StragglerGpu(ramp=120.0, clock_share=0.4, heat=88.0))
    watched.over(400.0)
    after = watched.over(300.0)
    bank, fault = world.bank, injection.fault
    sick = bank.index_of(fault.victim)
    slow = world.pod_of(fault.held_by)
    assert slow is not None
    assert sick in slow.gpus
    siblings = [gpu for pod in world.pods("chat-70b") for gpu in pod.gpus if gpu != sick]
    assert bank.clock[sick] < 0.5 * min(bank.clock[gpu] for gpu in siblings)
    assert bank.temperature[sick] == pytest.approx(88.0, abs=1.0)
    assert max(bank.temperature[gpu] for gpu in siblings) < 75
    nvml = world.nvml()
    assert (
        nvml.nvmlDeviceGetCurrentClocksEventReasons(nvml.nvmlDeviceGetHandleByUUID(fault.victim))
        & nvml.nvmlClocksEventReasonSwThermalSlowdown
    )
    for pod in world.pods("chat-70b"):
        if pod.uid not in before:
            continue
        grown = mean_itl(after[pod.uid]) / mean_itl(before[pod.uid])
        assert grown > 1.8 if pod is slow else grown < 1.5
    watched.over(4000.0)
    assert bank.clock[sick] > 1900


def test_f11_attempts_outgrow_operations_and_it_ends_with_its_cause(watched: Watched) -> None:
    world: World = watched.world

    def counts() -> tuple[float, float, float]:
        accounts = [one for (_, pool), one in world.gateway.accounts.items() if pool == "chat-70b"]
        operations = sum(one.operations for one in accounts)
        failed = sum(sum(one.failed.values()) for one in accounts)
        attempts = sum(one.attempts_ok + sum(one.attempts_failed.values()) for one in accounts)
        return operations, failed, attempts

    watched.inject(RetryStorm(duration=900.0))
    watched.over(300.0)
    start = counts()
    watched.over(300.0)
    operations, failed, attempts = (now - then for now, then in zip(counts(), start, strict=True))
    assert attempts > 2 * operations
    assert failed > 0.05 * operations
    assert sum(pod.engine.queued for pod in world.pods("chat-70b")) > 50
    watched.over(900.0)
    start = counts()
    watched.over(300.0)
    operations, failed, attempts = (now - then for now, then in zip(counts(), start, strict=True))
    assert attempts < 1.05 * operations
    assert failed < 0.02 * operations
