"""F52: targets are gone and their traffic is not."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.targets_gone import TargetsGone
from fleet import identity
from fleet.topology import FleetView
from vocabulary.entities import Change, EntityKind
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

GONE = NOW - 780.0
"""With the five minutes a value is believed after its last sample."""
VANISH: dict[str, Any] = {
    name: step(GONE, level, np.nan)
    for name, level in (
        ("target_up", 1.0), ("requests_running", 10.0), ("engine_steps_per_second", 40.0),
        ("step_tokens_per_second", 400.0), ("requests_finished_per_second", 2.0),
    )
}  # fmt: skip


def findings(world: World) -> list[Finding]:
    return list(TargetsGone().detect(world.scene(FleetView(), since=1800.0)))


def test_finds_targets_that_vanished_while_their_calls_are_still_answered() -> None:
    world = World().replica("a", **VANISH).replica("b", **VANISH).gateway()
    (finding,) = findings(world)
    assert finding.entity == identity.pool("chat")
    assert [one.id for one in finding.related] == ["a", "b"]
    assert finding.severity is Severity.WARNING
    assert abs(finding.since - GONE) <= 15.0


def test_finds_half_a_pool_gone_by_the_calls_nobody_accounts_for() -> None:
    (finding,) = findings(World().replica("a", **VANISH).replica("b").gateway())
    assert [one.id for one in finding.related] == ["a"]
    assert "50% of the calls" in finding.text or "5" in finding.text


def test_stays_silent_when_a_scale_in_leaves_the_work_to_the_rest() -> None:
    twice = step(GONE, 2.0, 4.0)
    world = World().replica("a", **VANISH)
    world.replica("b", requests_finished_per_second=twice).gateway()
    assert findings(world) == []


def test_stays_silent_when_a_scale_in_was_announced() -> None:
    world = World().replica("a", **VANISH).replica("b")
    world.changes.append(Change(GONE, "scale", identity.pool("chat"), "2 → 1", "chat"))
    assert findings(world) == []


def test_stays_silent_when_the_controller_asks_for_as_many_as_there_are() -> None:
    from vocabulary import signals

    world = World().replica("static/a:1", **VANISH).replica("b")
    assert len(findings(world)) == 1
    world.put(signals.POOL_DESIRED, 1.0, pool="chat")
    assert findings(world) == []


def test_stays_silent_during_a_model_swap() -> None:
    """B05: the old model's targets and its traffic end; the new one's begin."""
    old = World().replica("a", pool="old", **VANISH)
    old.gateway("old-model", attempts=step(GONE, 4.0, 0.0))
    old.replica("b", pool="new", target_up=step(GONE + 60.0, np.nan, 1.0),
                requests_running=step(GONE + 60.0, np.nan, 5.0))  # fmt: skip
    old.gateway("new-model", attempts=step(GONE + 60.0, 0.0, 4.0))
    assert findings(old) == []


@pytest.mark.parametrize("missed", range(1, 11))
def test_stays_silent_during_a_scrape_gap(missed: int) -> None:
    world = World().replica("a").replica("b").gateway().gap(NOW - 15.0 * missed, NOW + 1.0)
    assert findings(world) == []


def test_says_once_that_nothing_is_read_any_more() -> None:
    world = World().replica("a").replica("b").gateway().gap(NOW - 700.0, NOW + 1.0)
    (finding,) = findings(world)
    assert finding.entity.kind is EntityKind.CLUSTER
    assert finding.severity is Severity.CRITICAL


def test_a_lost_gateway_takes_what_users_feel_with_it() -> None:
    world = World().replica("a").gateway(attempts=step(GONE, 4.0, np.nan))
    world.target(step(GONE, 1.0, np.nan), target="http://gateway", vantage="gateway",
                 engine="litellm")  # fmt: skip
    (finding,) = findings(world)
    assert finding.entity == identity.target("http://gateway")
    assert finding.severity is Severity.CRITICAL


def test_a_nodes_gpus_that_vanish_while_its_replicas_serve_are_lost_telemetry() -> None:
    silent = step(GONE, 0.9, np.nan)
    world = World().replica("a", node="node-1")
    world.gpu("GPU-1", "a", utilization=silent, clock=step(GONE, 1.9e9, np.nan))
    (finding,) = findings(world)
    assert finding.entity == identity.node("node-1")


def test_a_gateway_that_is_read_at_another_address_is_not_gone() -> None:
    """B15."""
    world = World().replica("a")
    about = {"vantage": "gateway", "engine": "litellm", "replica": "g"}
    world.target(step(GONE, 1.0, np.nan), target="http://gateway", **about)
    world.target(step(GONE, np.nan, 1.0), target="http://gateway?from=b", **about)
    assert findings(world) == []


def test_a_gateway_that_was_replaced_is_not_gone_and_one_of_two_that_is_not_read_is() -> None:
    world = World().replica("a").gateway()
    about = {"vantage": "gateway", "engine": "litellm"}
    world.target(step(GONE, 1.0, np.nan), target="http://10.0.0.1", replica="old", **about)
    world.target(step(GONE, np.nan, 1.0), target="http://10.0.0.2", replica="new", **about)
    assert findings(world) == []
    (finding,) = findings(world.gateway(attempts=step(GONE, 4.0, 2.0)))
    assert finding.entity == identity.target("http://10.0.0.1")
