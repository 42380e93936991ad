"""F18: the engine freezes and goes on."""

import numpy as np
import pytest
from scene_builder import NOW, Course, World, during, step

from detectors.grammar_stall import GrammarStall
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding
from vocabulary.samples import Array

ONSET = NOW - 600.0


def freezes(every: float, seconds: float, since: float = ONSET) -> Course:
    def steps(t: Array) -> Array:
        still = (t >= since) & ((t - since) % every < seconds)
        return np.where(still, 0.0, 40.0)

    return steps


def findings(
    steps: Course | float, running: Course | float = 10.0, prompts: Course | float | None = None
) -> list[Finding]:
    world = World().replica("a", requests_running=running)
    world.put(signals.STEPS_LATELY, steps, pool="chat", model="chat-model", replica="a",
              vantage="engine")  # fmt: skip
    if prompts is not None:
        world.put(signals.INPUT_TOKEN_RATE, prompts, pool="chat", model="chat-model",
                  replica="a", vantage="engine")  # fmt: skip
    return list(GrammarStall().detect(world.scene()))


def test_freezes_that_come_and_go_are_found_and_dated() -> None:
    (finding,) = findings(freezes(150.0, 30.0))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 30.0
    assert "4 times" in finding.text


def test_a_stall_does_not_go_on_and_one_freeze_is_no_habit() -> None:
    assert findings(step(ONSET, 40.0, 0.0)) == []
    assert findings(during(ONSET, ONSET + 40.0, 0.0, 40.0)) == []


def test_an_engine_without_work_makes_no_steps_either() -> None:
    idle: Course = lambda t: np.where((t - ONSET) % 150.0 < 30.0, 0.0, 10.0)  # noqa: E731
    assert findings(freezes(150.0, 30.0, since=0.0), running=idle) == []
    assert findings(freezes(150.0, 30.0), running=1.0) == []


def test_slow_steps_between_are_no_freeze() -> None:
    slow: Course = lambda t: np.where((t - ONSET) % 150.0 < 30.0, 15.0, 40.0)  # noqa: E731
    assert findings(slow) == []


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (1000.0, True),
        (step(ONSET, 1000.0, 2500.0), False),
        (step(ONSET - 1800.0, 0.0, 1000.0), True),  # nobody called until half an hour before
        (step(ONSET, 0.0, 1000.0), True),
    ],
)
def test_steps_that_compute_more_of_prompts_than_before_are_no_freeze(
    taken: Course | float, told: bool
) -> None:
    assert bool(findings(freezes(150.0, 30.0), prompts=taken)) is told
