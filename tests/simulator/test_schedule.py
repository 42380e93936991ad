"""Storylines place faults in time."""

from collections.abc import Callable

import pytest

from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.faults.engine_stalled import EngineStalled
from simulator.look_alikes.scrape_gap import ScrapeGap
from simulator.schedule import DEMO, Event, Scenario, truths
from simulator.world import World
from vocabulary.errors import SourceDown


def test_the_demo_shows_a_fault_at_once_and_mixes_in_harmless_ones() -> None:
    faults = [one for one in DEMO.events if not one.fault.benign]
    assert {one.fault.code for one in faults} >= {"F27", "F01", "F30"}
    assert min(one.after for one in faults) <= 180.0, "an incident within the first wall minutes"
    assert len(DEMO.events) - len(faults) >= 3
    assert all(one.after < DEMO.length for one in DEMO.events)


def test_a_scenario_begins_and_ends_each_event_in_time(new_world: Callable[[int], World]) -> None:
    world = new_world(1)
    scenario = Scenario(
        "two", (Event(60.0, ScrapeGap(duration=30.0)), Event(20.0, EngineStalled(duration=100.0))),
        200.0,
    )  # fmt: skip
    injections = scenario.place(world)
    assert [truth["began"] for truth in truths(injections)] == [False, False]
    world.advance(world.start + 59.0)
    stalled = [pod for pod in world.pods() if pod.engine.stalled]
    assert len(stalled) == 1
    assert world.scraping
    world.advance(world.start + 62.0)
    assert not world.scraping
    world.advance(world.start + 125.0)
    assert world.scraping
    assert not any(pod.engine.stalled for pod in world.pods())
    first, second = truths(injections)
    assert (first["code"], second["code"]) == ("F01", "B09")
    assert first["entities"] == [str(world.replica(stalled[0]))]
    assert (first["at"], first["until"]) == (world.start + 20.0, world.start + 120.0)


def test_a_demo_that_is_left_running_begins_again() -> None:
    twice = DEMO.repeated(DEMO.length, 2 * DEMO.length)
    assert len(twice.events) == 2 * len(DEMO.events)
    assert twice.events[len(DEMO.events)].after == DEMO.length + DEMO.events[0].after


def test_the_way_without_sockets_shows_the_same_pages(new_world: Callable[[int], World]) -> None:
    world = new_world(1)
    reach = SimulatedReach(world, "gpu-l4-1")
    for door, target in zip(world.targets(), page_targets(world), strict=True):
        assert reach.get(target.url, {}, 1.0).body == world.page(door.name)
        assert target.labels == door.labels
    assert reach.nvml is reach.nvml
    assert reach.nvml.nvmlDeviceGetCount() == 2
    assert [dict(one.labels)["node"] for one in node_targets(world)] == [
        "gpu-h100-1", "gpu-l40s-1", "gpu-l4-1",
    ]  # fmt: skip
    world.pods()[0].crash(world.now)
    with pytest.raises(SourceDown):
        reach.get(page_targets(world)[0].url, {}, 1.0)


def test_the_demos_whole_storyline_runs_and_leaves_the_cluster_well(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(1)
    injections = DEMO.place(world)
    world.advance(world.start + DEMO.length + 900.0)
    assert all(one.ended for one in injections)
    failed = sum(sum(one.failed.values()) for one in world.gateway.accounts.values())
    for source in world.traffic.sources:
        assert source.rate_factor == 1.0
    world.advance(world.now + 600.0)
    again = sum(sum(one.failed.values()) for one in world.gateway.accounts.values())
    assert again == failed
    assert all(pod.engine.queued < 20 for pod in world.pods())
