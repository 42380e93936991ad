"""Y03: a page hangs."""

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.target_hung import TargetHung
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding


def hung_for(seconds: float, verdict: str = "hung") -> World:
    world = World().replica("a", target_up=np.nan).replica("b")
    about = {"replica": "a", "pool": "chat", "model": "chat-model", "vantage": "engine"}
    return world.target(step(NOW - seconds, 1.0, 0.0), bad=verdict, **about)


def findings(world: World) -> list[Finding]:
    return list(TargetHung().detect(world.scene()))


def test_finds_a_page_that_hangs_and_says_since_when() -> None:
    (finding,) = findings(hung_for(240.0).gateway())
    assert finding.entity.id == "a"
    assert finding.since == NOW - 240.0
    assert finding.severity is Severity.WARNING


def test_speaks_sooner_and_louder_when_upstream_calls_fail() -> None:
    world = hung_for(75.0).gateway(attempt_errors=step(NOW - 75.0, 0.0, 1.0))
    (finding,) = findings(world)
    assert finding.severity is Severity.CRITICAL
    assert len(finding.evidence) == 2


@pytest.mark.parametrize("missed", range(1, 11))
def test_stays_silent_for_up_to_ten_missed_reads(missed: int) -> None:
    assert findings(hung_for(missed * 15.0).gateway()) == []


def test_a_page_that_refuses_or_forbids_does_not_hang() -> None:
    assert findings(hung_for(600.0, "down")) == []
    assert findings(hung_for(600.0, "unauthorised")) == []
