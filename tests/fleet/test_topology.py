"""The fleet's memory: appearances, departures, restarts, rollouts, snapshots."""

import json
from dataclasses import replace

import numpy as np
from scene_builder import NOW, World, step

from fleet import identity
from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.entities import Change, GpuShare, ReplicaState


def kinds(view: FleetView) -> list[tuple[str, str]]:
    return [(change.kind, change.what) for change in view.changes()]


def test_what_is_there_at_the_first_look_has_not_changed() -> None:
    view = FleetView()
    World().replica("a").replica("b").scene(view, since=300.0)
    assert kinds(view) == []
    assert [one.entity.id for one in view.replicas()] == ["a", "b"]


def test_a_new_replica_is_an_appearance() -> None:
    view = FleetView()
    late = step(NOW - 90.0, np.nan, 1.0)
    world = World().replica("a").replica("b", target_up=late, requests_running=late)
    world.scene(view, since=300.0)
    assert kinds(view) == [("scale", "b appeared")]
    assert view.changes()[0].at == NOW - 90.0


def test_a_new_replica_of_another_version_is_a_rollout() -> None:
    view = FleetView()
    late = step(NOW - 90.0, np.nan, 1.0)
    World().replica("a").replica("b", version="v2", target_up=late, requests_running=late).scene(
        view, since=300.0
    )
    assert kinds(view) == [("rollout", "v1 → v2")]


def test_a_version_label_that_changes_is_a_rollout() -> None:
    view = FleetView()
    world = World().replica("a", target_up=step(NOW - 60.0, 1.0, np.nan))
    about = {"replica": "a", "pool": "chat", "model": "chat-model", "vantage": "engine"}
    world.target(step(NOW - 60.0, np.nan, 1.0), version="v2", **about)
    world.scene(view, since=300.0)
    assert kinds(view) == [("rollout", "version v1 → v2")]
    assert view.replicas()[0].version == "v2"


def test_a_start_time_that_moves_is_a_restart() -> None:
    view = FleetView()
    World().replica("a", engine_start_time=step(NOW - 60.0, NOW - 9e4, NOW - 65.0)).scene(
        view, since=300.0
    )
    assert kinds(view) == [("restart", "a restarted")]
    assert view.changes()[0].at == NOW - 65.0


def test_a_replica_that_vanishes_stays_blind_until_it_is_forgotten() -> None:
    view = FleetView()
    world = World().replica("a").replica("b")
    world.scene(view, since=60.0)
    gone = World(NOW + 900.0).replica("a")
    gone.scene(view, since=600.0)
    b = gone.scene(view).replica("b")
    assert b is not None
    assert (b.state, b.reason) == (ReplicaState.BLIND, "not scraped")
    assert kinds(view) == [("scale", "b is no longer seen")]
    forgotten = World(NOW + 3700.0).replica("a").scene(view)
    assert forgotten.replica("b") is None


def test_a_target_that_turns_out_to_be_a_router_is_no_replica_any_more() -> None:
    mute = World().target(step(NOW - 30.0, 0.0, np.nan), replica="r", target="http://r")
    view = FleetView()
    earlier = World(NOW - 60.0, mute.courses)
    (unknown,) = earlier.scene(view).replicas
    assert unknown.entity.id == "r"
    router = mute.target(
        step(NOW - 30.0, np.nan, 1.0), replica="r", target="http://r", vantage="router"
    ).replica("a")
    assert [one.entity.id for one in router.scene(view).replicas] == ["a"]
    assert not [one for one in view.changes() if one.entity.id == "r"]


def test_a_replica_scaled_in_on_purpose_leaves_at_once() -> None:
    view = FleetView()
    World().replica("a").replica("b").scene(view, since=60.0)
    view.add_change(Change(NOW + 5.0, "scale", identity.pool("chat"), "2 → 1", "chat"))
    left = World(NOW + 900.0).replica("a").scene(view, since=600.0)
    assert left.replica("b") is None


def test_a_restart_forgets_nothing() -> None:
    view = FleetView()
    world = World().replica("a", engine_steps_per_second=step(NOW - 30.0, 40.0, 0.0))
    world.gpu("GPU-1", "a").scene(view, since=120.0)
    view.add_change(Change(NOW, "driver", identity.node("node-1"), "570 → 580"))
    body = json.loads(json.dumps(view.snapshot()))
    reborn = FleetView()
    reborn.restore(body)
    assert reborn.snapshot() == view.snapshot()
    world.scene(reborn)
    assert reborn.replicas() == view.replicas()
    assert reborn.changes() == view.changes()


def test_a_snapshot_of_another_version_is_left_alone() -> None:
    view = FleetView()
    view.restore({"version": 99})
    assert view.replicas() == ()


def test_gpus_know_who_holds_them() -> None:
    world = World().replica("a").gpu("GPU-1", "a").gpu("GPU-2", "a")
    scene = world.scene()
    assert scene.replicas[0].gpus == ("GPU-1", "GPU-2")
    assert [(one.index, one.replicas) for one in scene.gpus] == [(0, ("a",)), (1, ("a",))]


def test_gpus_know_whose_part_of_them_is_how_large() -> None:
    about = {"node": "node-1", "gpu": "GPU-1"}
    pod = {
        **about,
        "owner": "pod",
        "namespace": "llm",
        "pod": "a-0",
        "replica": "a",
        "pool": "chat",
    }
    world = World().gpu("GPU-1", "a").gpu("GPU-2")
    world.put(signals.GPU_SHARE_TIME, 0.75, **pod)
    world.put(signals.GPU_SHARE_TIME, 0.25, **about, owner="idle")
    world.put(signals.GPU_SHARE_MEMORY, 7e9, **pod)
    world.put(signals.GPU_SHARE_POWER, step(NOW - 60.0, 5.0, np.nan), **pod)
    first, second = world.scene().gpus
    assert first.shares == (
        GpuShare("idle", time=0.25),
        GpuShare("pod", "llm", "a-0", "a", memory=7e9, time=0.75),
    )
    assert second.shares == ()


def test_the_controllers_wish_is_a_change_when_it_moves() -> None:
    view = FleetView()
    world = World().replica("a").put(signals.POOL_DESIRED, step(NOW - 60.0, 4.0, 3.0), pool="chat")
    world.scene(view, since=300.0)
    assert kinds(view) == [("scale", "replicas asked for 4 → 3")]


def test_the_same_change_told_twice_is_one() -> None:
    view = FleetView()
    change = Change(NOW, "rollout", identity.pool("chat"), "v1 → v2", "chat")
    assert view.add_change(change)
    assert not view.add_change(replace(change, at=NOW + 30.0))
    assert len(view.changes()) == 1


def test_changes_older_than_a_day_are_let_go() -> None:
    view = FleetView()
    view.add_change(Change(NOW - 90_000.0, "config", identity.pool("chat"), "max_num_seqs"))
    World().replica("a").scene(view)
    assert view.changes() == ()
