"""Replica states: loading, idle, serving, saturated, stalled, blind."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, during, noisy, step

from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.entities import Replica, ReplicaState

STALL = {"engine_steps_per_second": step(NOW - 30.0, 40.0, 0.0),
         "step_tokens_per_second": step(NOW - 30.0, 400.0, 0.0)}  # fmt: skip
"""Rates over 60 s fall to zero a minute after the last step: 90 s ago."""
LATELY = during(NOW - 30.0, NOW + 1.0, 3.0, 0.0)


def state_of(world: World, since: float = 0.0) -> Replica:
    (replica,) = world.scene(since=since).replicas
    return replica


def test_a_busy_engine_whose_steps_run_serves() -> None:
    assert state_of(World().replica("a")).state is ReplicaState.SERVING


def test_an_engine_without_work_is_idle_though_its_steps_stand_still() -> None:
    world = World().replica("a", requests_running=0.0, **STALL)
    assert state_of(world).state is ReplicaState.IDLE


def test_an_engine_with_work_and_no_step_is_stalled_within_two_minutes() -> None:
    replica = state_of(World().replica("a", **STALL))
    assert replica.state is ReplicaState.STALLED
    assert 75.0 <= NOW - replica.since <= 120.0


def test_a_stall_is_seen_when_work_only_waits() -> None:
    world = World().replica("a", requests_running=0.0, requests_waiting=4.0, **STALL)
    assert state_of(world).state is ReplicaState.STALLED


def test_a_freeze_of_forty_seconds_is_no_stall() -> None:
    world = World().replica("a", engine_steps_per_second=step(NOW, 40.0, 0.0))
    assert state_of(world).state is ReplicaState.SERVING


def test_work_that_came_to_a_resting_engine_just_now_is_no_stall() -> None:
    world = World().replica(
        "a", requests_running=step(NOW - 30.0, 0.0, 1.0), engine_steps_per_second=0.0
    )
    assert state_of(world).state is ReplicaState.SERVING


def test_a_saturated_engine_is_never_stalled() -> None:
    world = World().replica("a", requests_waiting=50.0, kv_cache_utilization=0.99)
    assert state_of(world).state is ReplicaState.SATURATED


def test_a_sleeping_engine_is_idle() -> None:
    world = World().replica("a", **STALL)
    labels = {"pool": "chat", "model": "chat-model", "replica": "a", "vantage": "engine"}
    world.put(signals.ENGINE_AWAKE, 0.0, **labels)
    replica = state_of(world)
    assert (replica.state, replica.reason) == (ReplicaState.IDLE, "asleep")


def test_an_unscraped_engine_is_blind_and_never_stalled() -> None:
    world = World().replica("a").gap(NOW - 200.0, NOW + 1e6)
    view = FleetView()
    for moment in np.arange(-300.0, 400.0, 15.0):
        later = World(NOW + moment, dict(world.courses), world.gaps)
        (replica,) = later.scene(view).replicas
        assert replica.state is not ReplicaState.STALLED
    assert (replica.state, replica.reason) == (ReplicaState.BLIND, "not scraped")


def test_an_engine_without_a_heartbeat_counter_is_never_called_stalled() -> None:
    world = World().replica(
        "a", engine_steps_per_second=None, step_tokens_per_second=None,
        output_tokens_per_second=0.0,
    )  # fmt: skip
    assert state_of(world).state is ReplicaState.SERVING


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("hung", "page hung"), ("unauthorised", "unauthorised"), ("down", "down")],
)
def test_an_unread_page_says_why(verdict: str, reason: str) -> None:
    world = World().replica("a", target_up=np.nan)
    up = step(NOW - 60.0, 1.0, 0.0)
    world.target(up, bad=verdict, replica="a", pool="chat", model="chat-model", vantage="engine")
    replica = state_of(world)
    assert (replica.state, replica.reason) == (ReplicaState.BLIND, reason)
    assert replica.since == NOW - 60.0


@pytest.mark.parametrize(
    ("waiting", "finished", "state", "reason"),
    [
        (0.0, 2.0, ReplicaState.SERVING, "requests finish"),
        (LATELY, 0.0, ReplicaState.SERVING, "progress is not counted by step"),
        (3.0, 2.0, ReplicaState.SATURATED, "requests wait while steps run"),
        (0.0, 0.0, ReplicaState.IDLE, "no request waits or finishes"),
        (0.0, step(NOW - 60.0, 2.0, 0.0), ReplicaState.IDLE, "no request waits or finishes"),
    ],
)
def test_where_running_requests_are_not_counted_those_that_end_show_work(
    waiting: Any, finished: Any, state: ReplicaState, reason: str
) -> None:
    world = World().replica(
        "a", requests_running=None, engine_steps_per_second=None, step_tokens_per_second=None,
        requests_waiting=waiting,
        requests_finished_per_second=finished,
    )  # fmt: skip
    replica = state_of(world)
    assert (replica.state, replica.reason) == (state, reason)


def test_a_page_that_tells_nothing_of_its_work_is_blind() -> None:
    world = World().target(1.0, replica="a", pool="chat", vantage="engine")
    replica = state_of(world, since=300.0)
    assert (replica.state, replica.reason) == (ReplicaState.BLIND, "tells nothing of its work")


def test_a_server_that_never_answered_is_loading_and_later_blind() -> None:
    up: Any = step(NOW - 300.0, np.nan, 0.0)
    world = World().target(up, replica="a", pool="chat", vantage="engine")
    assert state_of(world, since=300.0).state is ReplicaState.LOADING
    view = FleetView()
    later = World(NOW + 700.0, world.courses)
    (replica,) = later.scene(view, since=1000.0).replicas
    assert (replica.state, replica.reason) == (ReplicaState.BLIND, "down")


def test_a_warming_engine_that_has_not_stepped_yet_is_loading() -> None:
    world = World().replica(
        "a", engine_steps_per_second=0.0, step_tokens_per_second=0.0,
        engine_start_time=NOW - 200.0,
    )  # fmt: skip
    assert state_of(world).state is ReplicaState.LOADING


def test_a_recovered_page_is_read_again_at_once() -> None:
    world = World().replica("a", target_up=during(NOW - 300.0, NOW - 60.0, 0.0, 1.0))
    assert state_of(world).state is ReplicaState.SERVING


def test_noise_does_not_move_a_state() -> None:
    world = World().replica("a", requests_running=noisy(3.0, 0.3))
    view = FleetView()
    first = world.scene(view, since=600.0).replicas[0]
    assert first.since <= NOW - 585.0
