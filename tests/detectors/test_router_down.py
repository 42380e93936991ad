"""F09: calls fail before an engine sees them."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.router_down import RouterDown
from fleet import identity
from fleet.topology import FleetView
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 150.0


def findings(world: World) -> list[Finding]:
    view = FleetView()
    World(NOW - 3600.0, world.courses).scene(view)
    return list(RouterDown().detect(world.scene(view)))


def pool(share: float = 0.8, users: float = 0.5, **courses: Any) -> World:
    """Three replicas that get fewer calls than before, and a gateway most of whose calls fail."""
    left = {"requests_running": step(ONSET, 10.0, 10.0 * (1 - share)),
            "requests_finished_per_second": step(ONSET, 1.33, 1.33 * (1 - share))}  # fmt: skip
    world = World().gateway(
        attempts=noisy(4.0, 0.05, 11),
        operations=4.0,
        attempt_errors=step(ONSET, 0.0, 4.0 * share),
        errors=step(ONSET, 0.0, 4.0 * users),
    )
    for name in "abc":
        world.replica(name, **{**left, **courses})
    return world


def test_calls_that_never_reach_well_replicas_are_found_and_page() -> None:
    (finding,) = findings(pool())
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 60.0
    assert "never saw" in finding.text


def test_what_retries_hide_from_users_is_a_ticket() -> None:
    (finding,) = findings(pool(share=0.3, users=0.0))
    assert finding.severity is Severity.WARNING


def test_a_few_failures_are_none() -> None:
    assert findings(pool(share=0.1)) == []


def test_time_outs_that_engines_worked_on_are_another_story() -> None:
    assert findings(pool(requests_finished_per_second=1.33)) == []
    assert findings(pool(requests_running=step(ONSET, 10.0, 20.0))) == []


def test_a_queue_is_another_story() -> None:
    assert findings(pool(requests_waiting=step(ONSET, 0.0, 5.0))) == []


def test_a_replica_that_is_down_is_another_story() -> None:
    assert findings(pool().replica("d", target_up=step(ONSET, 1.0, 0.0))) == []


def test_a_route_that_always_failed_is_no_news() -> None:
    world = pool().gateway(attempts=4.0, operations=4.0, attempt_errors=3.0, errors=2.0)
    assert findings(world) == []
