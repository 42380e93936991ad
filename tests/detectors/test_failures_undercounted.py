"""F55: what engines began and what they say ended, against what the gateway saw fail."""

import numpy as np
from scene_builder import NOW, Course, World, step

from detectors.failures_undercounted import FailuresUndercounted
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1500.0
LOST = 0.1
"""Requests a second that leave no trace: 120 in twenty minutes."""


def findings(
    begun: float | Course = 2.0,
    ended: float | Course = 2.0,
    errors: float | Course = 0.0,
    running: float | Course = 10.0,
    started: float | Course = NOW - 9e4,
) -> list[Finding]:
    world = World().gateway(attempt_errors=errors)
    world.replica("a", requests_running=running, engine_start_time=started)
    world.put(signals.FIRST_TOKEN_RATE, begun, pool="chat", model="chat-model")
    world.put(signals.POOL_FINISHED_RATE, ended, pool="chat", model="chat-model")
    return list(FailuresUndercounted().detect(world.scene()))


def test_failures_that_no_engine_counts_are_found_at_the_pool_and_dated() -> None:
    (finding,) = findings(ended=step(ONSET, 2.0, 2.0 - LOST), errors=step(ONSET, 0.0, LOST))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - ONSET) <= 60.0


def test_failures_that_engines_count_are_no_secret() -> None:
    assert findings(errors=LOST) == []


def test_callers_who_hang_up_have_not_failed() -> None:
    assert findings(ended=2.0 - LOST) == []


def test_calls_that_no_engine_began_are_not_theirs_to_count() -> None:
    assert findings(begun=1.0, ended=1.0, errors=1.0) == []


def test_work_that_piles_up_has_not_ended_yet() -> None:
    piling = step(NOW - 1200.0, 10.0, 130.0)
    assert findings(ended=2.0 - LOST, errors=LOST, running=piling) == []


def test_a_process_that_died_took_its_requests_along() -> None:
    died = {"ended": 2.0 - LOST, "errors": LOST}
    assert findings(started=step(NOW - 600.0, NOW - 9e4, NOW - 600.0), **died) == []
    assert findings(started=step(NOW - 600.0, NOW - 9e4, np.nan), **died) == []
