"""F30: an agent that calls itself in circles."""

from typing import Any

import numpy as np
from scene_builder import NOW, World, noisy, step

from detectors.runaway_agent import RunawayAgent
from fleet import identity
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 600.0
LOOP = step(ONSET, 2000.0, 15_000.0)


def findings(world: World) -> list[Finding]:
    return list(RunawayAgent().detect(world.scene()))


def used(
    prompts: Any = LOOP, calls: Any = None, answers: Any = 200.0, history: float = 400.0
) -> World:
    """One tenant's calls to two models, of which one gets the loop's."""
    world = World().replica("a", model="dear")
    for model in ("cheap", "dear"):
        who = {"tenant": "acme", "model": model}
        rate = step(ONSET, 0.2, 0.6) if calls is None else calls
        world.put(signals.TENANT_OPERATION_RATE, rate if model == "dear" else 2.0, **who)
        world.put(signals.TENANT_PROMPT_LENGTH, prompts if model == "dear" else 4000.0, **who)
        world.put(signals.TENANT_ANSWER_LENGTH, answers, **who)
        world.put(signals.TENANT_INPUT_RATE, noisy(step(ONSET, history, 9000.0), 0.1), **who)
    return world


def test_a_loop_that_reads_itself_is_found_dated_and_named() -> None:
    (finding,) = findings(used())
    assert finding.entity == identity.tenant("acme")
    assert (finding.severity, finding.model) == (Severity.WARNING, "dear")
    assert abs(finding.since - ONSET) <= 120.0
    assert finding.evidence[0].expected == 4000.0


def test_prompts_that_moved_here_from_another_model_are_none() -> None:
    assert findings(used(prompts=step(ONSET, 800.0, 4000.0))) == []


def test_more_calls_with_prompts_as_ever_are_other_stories() -> None:
    """F31, F32."""
    assert findings(used(prompts=2000.0, calls=step(ONSET, 0.2, 9.0))) == []
    twice = step(ONSET, 4000.0, 8800.0)
    assert findings(used(prompts=twice, calls=step(ONSET, 0.2, 9.0))) == [], "a hog's batch"


def test_longer_prompts_in_as_many_calls_are_what_an_application_appends() -> None:
    """F33."""
    assert findings(used(calls=0.2)) == []


def test_answers_that_grew_as_well_are_no_loop() -> None:
    assert findings(used(answers=step(ONSET, 200.0, 900.0))) == []


def test_a_batch_that_comes_at_this_hour_every_night_is_expected() -> None:
    assert findings(used(history=20_000.0)) == []


def test_somebody_new_has_no_usual_prompts() -> None:
    world = World().replica("a", model="dear")
    who = {"tenant": "load-test", "model": "dear"}
    world.put(signals.TENANT_OPERATION_RATE, step(ONSET, np.nan, 2.0), **who)
    world.put(signals.TENANT_PROMPT_LENGTH, step(ONSET, np.nan, 15_000.0), **who)
    assert findings(world) == []
