"""F11: retries multiply the load on a model that already fails."""

import pytest
from scene_builder import NOW, World, noisy, step

from detectors.retry_storm import RetryStorm
from fleet import identity
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 300.0


def findings(world: World) -> list[Finding]:
    return list(RetryStorm().detect(world.scene()))


def storm(**courses: object) -> World:
    usual: dict[str, object] = {
        "attempts": noisy(step(ONSET, 4.0, 14.0)),
        "operations": 4.0,
        "attempt_errors": step(ONSET, 0.0, 11.0),
    }
    return World().replica("a").gateway(**{**usual, **courses})


def test_finds_a_storm_in_its_pool() -> None:
    (finding,) = findings(storm())
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 30.0


def test_a_surge_of_users_raises_calls_and_tries_alike() -> None:
    surge = step(ONSET, 4.0, 20.0)
    assert findings(storm(attempts=surge, operations=surge)) == []


def test_many_tries_that_succeed_are_no_storm() -> None:
    assert findings(storm(attempt_errors=step(ONSET, 0.0, 0.3))) == []


def test_two_minutes_of_retries_are_no_storm_yet() -> None:
    late = NOW - 120.0
    world = storm(attempts=step(late, 4.0, 14.0), attempt_errors=step(late, 0.0, 11.0))
    assert findings(world) == []


def test_a_handful_of_calls_is_no_storm() -> None:
    world = storm(attempts=0.03, operations=0.01, attempt_errors=0.02)
    assert findings(world) == []


@pytest.mark.parametrize("retries", [2.5, 4.0, 9.0])
def test_says_how_often_each_call_is_tried(retries: float) -> None:
    world = storm(attempts=step(ONSET, 4.0, 4.0 * retries))
    (finding,) = findings(world)
    assert f"{retries:.1f} times" in finding.text


def test_calls_that_fell_back_were_asked_once_all_the_same() -> None:
    left = step(ONSET, 4.0, 0.4)
    courses = {"attempts": step(ONSET, 4.0, 7.0), "attempt_errors": step(ONSET, 0.0, 6.6)}
    assert findings(storm(operations=left, **courses))
    assert findings(storm(operations=left, fallbacks=step(ONSET, 0.0, 3.6), **courses)) == []
