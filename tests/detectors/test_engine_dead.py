"""F02: an engine is dead or in a crash loop."""

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.engine_dead import EngineDead
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding


def dead_for(seconds: float, siblings: int = 2) -> World:
    down = step(NOW - seconds, 1.0, 0.0)
    world = World().replica("a", target_up=down)
    for index in range(siblings):
        world.replica(f"b{index}")
    return world


def findings(world: World) -> list[Finding]:
    return list(EngineDead().detect(world.scene()))


def test_finds_a_dead_engine_at_once_when_upstream_calls_fail() -> None:
    world = dead_for(60.0).gateway(attempt_errors=step(NOW - 60.0, 0.0, 1.2))
    (finding,) = findings(world)
    assert finding.entity.id == "a"
    assert finding.since == NOW - 60.0
    assert finding.severity is Severity.WARNING


def test_wakes_somebody_when_users_calls_fail() -> None:
    failing = step(NOW - 120.0, 0.0, 1.2)
    (finding,) = findings(dead_for(120.0).gateway(attempt_errors=failing, errors=failing))
    assert finding.severity is Severity.CRITICAL


def test_wakes_somebody_when_the_only_replica_is_dead() -> None:
    world = dead_for(420.0, siblings=0).gateway(attempts=step(NOW - 400.0, 4.0, 0.0))
    (finding,) = findings(world)
    assert finding.severity is Severity.CRITICAL


def test_finds_a_dead_engine_that_nobody_complains_about_later() -> None:
    assert findings(dead_for(200.0).gateway()) == []
    (finding,) = findings(dead_for(330.0).gateway())
    assert finding.severity is Severity.WARNING


def test_finds_a_crash_loop() -> None:
    def starts(t: np.ndarray) -> np.ndarray:
        return np.select([t < NOW - 900.0, t < NOW - 300.0], [NOW - 9e4, NOW - 905.0], NOW - 310.0)

    (finding,) = findings(World().replica("a", engine_start_time=starts).replica("b"))
    assert finding.since == NOW - 905.0
    assert "started 2 times" in finding.text


def test_finds_a_crash_that_kubernetes_or_the_driver_saw_though_no_call_fails() -> None:
    seen = dead_for(60.0).gateway()
    seen.changes.append(Change(NOW - 50.0, "restart", identity.replica("a"), "restarted", "chat"))
    assert len(findings(seen)) == 1
    driver = dead_for(60.0).gateway().gpu("GPU-a", "a")
    driver.put(signals.GPU_XID, step(NOW - 60.0, 0.0, 1.0), gpu="GPU-a", node="node-1", xid="31")
    (finding,) = findings(driver)
    assert any("Xid 31" in one.text for one in finding.evidence)


def test_one_restart_is_no_loop() -> None:
    world = World().replica("a", engine_start_time=step(NOW - 300.0, NOW - 9e4, NOW - 310.0))
    assert findings(world) == []


@pytest.mark.parametrize("missed", range(1, 11))
def test_stays_silent_for_up_to_ten_missed_reads(missed: int) -> None:
    assert findings(dead_for(missed * 15.0).gateway()) == []


def test_stays_silent_during_a_planned_swap_of_the_pools_model() -> None:
    world = dead_for(420.0).gateway()
    world.changes.append(Change(NOW - 430.0, "model", identity.pool("chat"), "swap", "chat"))
    assert findings(world) == []


def test_leaves_lost_telemetry_to_another_detector() -> None:
    assert findings(dead_for(900.0, siblings=0).gateway()) == []


def test_a_bridge_shorter_than_the_look_itself_still_finds_the_dead() -> None:
    world = dead_for(330.0).gateway()
    (finding,) = EngineDead(bridge_seconds=5.0).detect(world.scene())
    assert finding.since == NOW - 330.0
