"""Time-sliced GPUs of a simulated cluster, through NVML, /proc and the kubelet's words."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from collectors._reading import Reading
from collectors.nvml import Nvml
from service.simulated import SharedGpus, SimulatedOwners
from simulator.cluster import DEMO
from simulator.clusters import SHARED
from simulator.fast import SimulatedReach, node_targets
from simulator.faults.noisy_neighbour import NoisyNeighbour
from simulator.world import World
from vocabulary import metrics as m
from vocabulary.samples import Sample

NOON = 1_795_608_000.0
NODE = "gpu-l40s-1"
ONLY = replace(
    SHARED,
    pools=SHARED.pools[1:2],
    streams=tuple(one for one in SHARED.streams if one.pool == "code-8b"),
    warm_up=60.0,
)
Shares = dict[tuple[str, str], float]
"""By board and pod."""


class Seen:
    """The world as the agent of one node sees it, round by round."""

    def __init__(self, world: World) -> None:
        self.world, self.shares = world, SharedGpus(world)
        self.nvml = SimulatedOwners(Nvml(), Path("/proc"), world)
        (self.node,) = [one for one in node_targets(world) if dict(one.labels)["node"] == NODE]
        self.reach = SimulatedReach(world, NODE)

    def round(self, seconds: float) -> list[Sample]:
        self.world.advance(self.world.now + seconds)
        told = tuple(self.nvml.collect(self.node, self.reach, self.world.now))
        made = self.shares.of({f"nvml of {NODE}": Reading(told, "ok")}, self.world.now)
        return [*told, *made]


def shares(samples: list[Sample], metric: m.Metric) -> Shares:
    found: Shares = defaultdict(float)
    for one in samples:
        if one.series.name == metric.name and one.series.label("owner") == "pod":
            found[one.series.label("gpu") or "", one.series.label("pod") or ""] += one.value
    return found


def test_what_a_neighbour_takes_is_told_apart_by_pod() -> None:
    world = World(1, NOON, ONLY)
    injection = world.inject(NoisyNeighbour(duty=0.95, duration=3600.0), NOON + 90.0)
    seen = Seen(world)
    seen.round(15.0)
    quiet = [shares(seen.round(15.0), m.GPU_SHARE_UTILIZATION) for _ in range(4)]
    world.advance(NOON + 150.0)
    seen.round(15.0)
    loud = [shares(seen.round(15.0), m.GPU_SHARE_UTILIZATION) for _ in range(8)]
    assert isinstance(injection.fault, NoisyNeighbour)
    board, victim = injection.fault.board, world.pod_of(injection.fault.victim)
    assert victim is not None
    guest = world.bank.guests[world.bank.index_of(board)].name
    assert max(one[board, guest] for one in quiet) == 0.0
    assert sum(one[board, guest] for one in loud) / 8 == pytest.approx(0.48, abs=0.12)
    assert sum(one[board, victim.name] for one in loud) / 8 == pytest.approx(0.5, abs=0.12)
    others = {gpu for gpu, _ in loud[0]} - {board}
    assert len(others) == 3
    assert not any(value for one in loud for (gpu, pod), value in one.items()
                   if gpu in others and pod.startswith("notebook"))  # fmt: skip


def test_the_board_stays_as_busy_and_memory_and_power_are_shared() -> None:
    world = World(1, NOON, ONLY)
    gpu = world.pods("code-8b")[0].gpus[0]

    def levels() -> tuple[float, float, float]:
        rows = []
        for _ in range(60):
            world.advance(world.now + 2.0)
            bank = world.bank
            rows.append((bank.utilization[gpu], bank.memory_activity[gpu], bank.power[gpu]))
        return tuple(float(sum(column)) / len(rows) for column in zip(*rows, strict=True))  # type: ignore[return-value]

    before = levels()
    world.inject(NoisyNeighbour(duty=0.9, duration=3600.0))
    after = levels()
    assert before[0] > 0.9
    assert after[0] > 0.95
    assert after[1] < 0.95 * before[1], "what trains reads memory less than what decodes"
    assert after[2] > before[2] + 10.0


def test_both_processes_and_both_pods_are_seen() -> None:
    world = World(1, NOON, ONLY)
    seen = Seen(world)
    told = seen.round(15.0)
    held = shares(told, m.GPU_SHARE_MEMORY)
    pods = {one.name for one in world.pods("code-8b")}
    assert pods < {pod for _, pod in held}
    assert sum(pod.startswith("notebook") for _, pod in held) == 4
    total = world.bank.places[world.pods("code-8b")[0].gpus[0]].model.memory_bytes
    assert held[next(one for one in held if one[1] in pods)] == pytest.approx(0.7 * total, rel=0.02)
    slots = [one for one in world.gpu_allocations() if one.slot]
    assert len(slots) == 7
    processes = [one.value for one in told if one.series.name == m.GPU_PROCESSES.name]
    assert sorted(processes) == [1.0, 2.0, 2.0, 2.0]


def test_steps_take_longer_on_the_shared_board_alone_and_as_before_afterwards() -> None:
    world = World(1, NOON, ONLY)
    world.inject(NoisyNeighbour(duty=0.9, duration=120.0), NOON + 120.0)
    paces = []
    for _ in range(3):
        tallies = [one.engine.tally.between_tokens for one in world.pods("code-8b")]
        before = [(one.total, one.count) for one in tallies]
        world.advance(world.now + 120.0)
        paces.append([(one.total - total) / (one.count - count)
                      for one, (total, count) in zip(tallies, before, strict=True)])  # fmt: skip
    beside = [own / other for own, other, _ in paces]  # bursts of calls hit siblings alike
    assert beside[1] > 1.35
    assert 0.8 < beside[0] < 1.2
    assert 0.8 < beside[2] < 1.2


def test_where_no_gpu_is_shared_nothing_is_told_of_processes() -> None:
    world = World(1, NOON, replace(DEMO, warm_up=10.0))
    told = Seen(world).round(15.0)
    assert not [one for one in told if "share" in one.series.name]
    assert not [one for one in told if one.series.name == m.GPU_PROCESS_UTILIZATION.name]
