"""Y02: a burst of errors."""

import numpy as np
from scene_builder import NOW, World, noisy, step

from detectors.error_burst import ErrorBurst
from fleet import identity
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 300.0


def findings(world: World) -> list[Finding]:
    return list(ErrorBurst().detect(world.scene()))


def test_finds_a_burst_that_users_feel_and_wakes_somebody() -> None:
    (finding,) = findings(World().replica("a").gateway(errors=step(ONSET, 0.01, 1.0)))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 60.0


def test_a_small_burst_is_a_ticket() -> None:
    (finding,) = findings(World().gateway(errors=step(ONSET, 0.0, 0.3)))
    assert finding.severity is Severity.WARNING
    assert finding.entity == identity.route("chat-model")


def test_a_burst_inside_one_engine_names_it() -> None:
    world = World().replica("a", requests_failed_per_second=step(ONSET, 0.0, 0.8)).replica("b")
    (finding,) = findings(world)
    assert finding.entity == identity.replica("a")
    assert finding.severity is Severity.WARNING


def test_a_few_failures_at_night_prove_nothing() -> None:
    assert findings(World().gateway(attempts=0.02, errors=step(ONSET, 0.0, 0.015))) == []


def test_errors_that_have_always_been_there_are_no_burst() -> None:
    assert findings(World().gateway(errors=noisy(0.4, 0.2))) == []


def test_errors_that_come_in_waves_are_judged_by_their_own_habit() -> None:
    def waves(t: np.ndarray) -> np.ndarray:
        return np.where((t // 600.0) % 2 == 1, 0.6, 0.05)

    assert findings(World().gateway(errors=waves)) == []


def test_a_surge_with_the_usual_share_is_no_burst() -> None:
    surge = World().gateway(attempts=step(ONSET, 4.0, 40.0), errors=step(ONSET, 0.04, 0.4))
    assert findings(surge) == []


def test_learns_nothing_from_an_incident() -> None:
    """An hour of outage before must not make the next burst look usual."""
    ill = lambda t: np.where((t > NOW - 6000.0) & (t < NOW - 2400.0), 3.0, step(ONSET, 0.0, 0.5)(t))  # noqa: E731
    world = World().replica("a").gateway(errors=ill)
    assert findings(world) == []
    world.troubled = {"pool/chat": ((NOW - 6060.0, NOW - 2280.0),)}
    assert len(findings(world)) == 1
