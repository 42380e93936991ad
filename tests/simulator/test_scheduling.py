"""Pods without a node or an image, and nodes that are gone, as Kubernetes tells of them."""

from typing import Any

import pytest

from simulator.clusters import SPARE
from simulator.fast import SimulatedReach
from simulator.faults.device_plugin_broken import DevicePluginBroken
from simulator.faults.double_counting import DoubleCounting
from simulator.faults.mass_node_loss import MassNodeLoss
from simulator.faults.metric_renamed import MetricRenamed
from simulator.faults.pod_pending import PodPending
from simulator.faults.pull_failure import PullFailure
from simulator.faults.targets_gone import TargetsGone
from simulator.look_alikes.planned_drain import PlannedDrain
from simulator.pods import Stage
from simulator.world import World
from vocabulary import statements
from vocabulary.errors import SourceDown
from vocabulary.statements import statement


def told(watched: Any) -> list[tuple[str, str]]:
    """Subject and phrase of every fixed statement so far."""
    said = [statement(one.what) for one in watched.world.changes(watched.world.start - 1.0)]
    return [(one.subject, one.phrase) for one in said if one is not None]


def test_f51_nodes_fall_silent_are_missed_and_their_pods_wait_for_others(watched: Any) -> None:
    world = watched.world
    fault = watched.inject(MassNodeLoss(spread=0.0, duration=900.0)).fault
    assert fault.places == ("gpu-l4-1", "gpu-l40s-1")
    with pytest.raises(SourceDown):
        world.page(world.pods("code-8b")[0].name)
    with pytest.raises(SourceDown):
        _ = SimulatedReach(world, "gpu-l40s-1").nvml
    assert SimulatedReach(world, "gpu-h100-1").nvml is not None
    assert {one.node for one in world.gpu_allocations()} == {"gpu-h100-1"}
    assert told(watched) == []
    watched.over(60.0)
    assert told(watched) == [(node, statements.NOT_READY) for node in fault.places]
    watched.over(300.0)
    waiting = [name for name, phrase in told(watched) if phrase == statements.NO_NODE]
    assert len(waiting) == 5
    assert world.pods("code-8b") == []
    watched.over(700.0)
    assert {pod.name for pod in world.pods("code-8b")} <= set(waiting)
    assert all(pod.stage is Stage.READY for pod in world.pods("code-8b"))
    ends = [phrase for _, phrase in told(watched)]
    assert ends.count(statements.NODE_FOUND) == 5
    assert ends.count(statements.READY) == 2


def test_f51_reclaimed_machines_leave_the_cluster_and_their_pods_at_once(watched: Any) -> None:
    watched.inject(MassNodeLoss(spread=0.0, how="reclaimed"))
    watched.over(60.0)
    phrases = [phrase for _, phrase in told(watched)]
    assert phrases.count(statements.LEFT) == 2
    assert phrases.count(statements.NO_NODE) == 5


def test_f51_calls_go_to_a_lost_node_until_kubernetes_has_missed_it(watched: Any) -> None:
    world = watched.world
    watched.inject(MassNodeLoss(spread=0.0))
    assert len(world.gateway.routable("code-8b")) == 3
    watched.over(45.0)
    assert world.gateway.routable("code-8b") == []
    failed = sum(sum(one.attempts_failed.values()) for one in world.gateway.accounts.values())
    assert failed > 0


def test_f46_a_pod_waits_until_the_gpus_are_free(watched: Any) -> None:
    world = watched.world
    injection = watched.inject(PodPending(duration=600.0))
    assert len(injection.fault.taken) == 1
    watched.over(300.0)
    assert [phrase for _, phrase in told(watched)] == [statements.NO_NODE]
    assert len(world.pods("chat-70b")) == 3
    watched.over(310.0)
    (name, _), (same, end) = told(watched)
    assert (name, end) == (same, statements.NODE_FOUND)
    assert name in {pod.name for pod in world.pods("chat-70b")}


def test_f46_a_pod_that_is_no_longer_asked_for_waits_no_more(watched: Any) -> None:
    world = watched.world
    watched.inject(PodPending())
    world.scale("chat-70b", 3, world.now)
    watched.over(60.0)
    assert [phrase for _, phrase in told(watched)] == [statements.NO_NODE, statements.NODE_FOUND]
    assert [pod.stage for pod in world.pods("chat-70b")] == [Stage.READY] * 3


@pytest.mark.parametrize("act", ["rollout", "scale"])
def test_f49_a_new_pod_waits_for_its_image_and_the_old_ones_go_on(watched: Any, act: str) -> None:
    world = watched.world
    watched.inject(PullFailure(act=act, duration=400.0))
    watched.over(300.0)
    stages = [pod.stage for pod in world.pods("code-8b")]
    assert stages == [Stage.READY] * 3 + [Stage.LOADING]
    (name, phrase), *more = told(watched)
    assert (phrase, more) == (statements.CANNOT_START, [])
    what = next(one.what for one in world.changes(world.start - 1.0) if one.kind == "pending")
    assert "ErrImagePull" in what
    watched.over(300.0)
    assert (name, statements.CAN_START) in told(watched)
    assert world.pods("code-8b")[-1].stage in {Stage.READY, Stage.LOADING}


def test_f47_a_node_offers_less_than_it_has_and_new_pods_find_none(watched: Any) -> None:
    world = watched.world
    watched.inject(DevicePluginBroken(duration=120.0))
    (change,) = [one for one in world.changes(world.start - 1.0) if one.kind == "health"]
    assert change.what == "gpu-h100-1 offers 0 of its 8 GPUs"
    world.scale("chat-70b", 4, world.now)
    watched.over(60.0)
    assert len(world.pods("chat-70b")) == 3
    watched.over(90.0)
    assert len(world.pods("chat-70b")) == 4
    assert "gpu-h100-1 offers 8 of its 8 GPUs" in {one.what for one in world.changes(world.start)}


def test_f52_f57_pages_are_lost_or_listed_twice(watched: Any) -> None:
    world = watched.world
    pods = {pod.name for pod in world.pods("code-8b")}
    gone = watched.inject(TargetsGone(pool="code-8b", duration=60.0))
    assert pods.isdisjoint({door.name for door in world.targets()})
    watched.over(120.0)
    assert gone.ended
    watched.inject(DoubleCounting())
    doors = [door for door in world.targets() if door.name in pods]
    assert len(doors) == 6
    assert len({dict(door.labels)["replica"] for door in doors}) == 6
    watched.inject(TargetsGone(pool="code-8b", how="walled"))
    with pytest.raises(SourceDown):
        world.page(doors[0].name)


def test_f53_pods_of_the_new_release_call_one_metric_otherwise(watched: Any) -> None:
    world = watched.world
    watched.inject(MetricRenamed(pause=1.0))
    watched.over(100.0)
    fresh = next(pod for pod in world.pods("code-8b") if pod.version == "0.34.0")
    assert b"vllm:block_pool_fill{" in world.page(fresh.name)
    assert b"vllm:kv_cache_usage_perc" not in world.page(fresh.name)
    assert b"vllm:kv_cache_usage_perc{" in world.page(world.pods("chat-70b")[0].name)


def test_b11_pods_leave_a_cordoned_node_in_turn_and_it_is_away_when_it_is_empty() -> None:
    world = World(7, 1_795_608_000.0, SPARE)
    old = {pod.uid for pod in world.pods("code-8b")}
    failed = _failed(world)
    world.inject(PlannedDrain(pause=30.0, away=300.0, duration=900.0))
    fewest = 3
    for _ in range(45):
        world.advance(world.now + 10.0)
        ready = [pod for pod in world.pods("code-8b") if pod.stage is Stage.READY]
        fewest = min(fewest, len(ready))
    assert fewest == 2, "one at a time"
    assert {pod.node for pod in world.pods("code-8b")} == {"gpu-l40s-2"}
    assert not old & {pod.uid for pod in world.pods("code-8b")}
    assert _failed(world) - failed <= 3, "streams have their grace"
    world.advance(world.now + 150.0)
    assert world.scheduling.silent("gpu-l40s-1")
    world.advance(world.now + 400.0)
    said = [statement(one.what) for one in world.changes(world.start - 1.0)]
    assert [one.phrase for one in said if one and one.subject == "gpu-l40s-1"] == [
        statements.CORDONED, statements.NOT_READY, statements.READY, statements.UNCORDONED,
    ]  # fmt: skip
    assert not world.scheduling.closed("gpu-l40s-1")


def _failed(world: World) -> int:
    return sum(sum(one.attempts_failed.values()) for one in world.gateway.accounts.values())
