"""F13: blocks are held by nobody."""

import numpy as np
from scene_builder import NOW, Course, World, noisy, step

from detectors.kv_transfer_broken import KvTransferBroken
from fleet import identity
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array

ONSET = NOW - 1800.0


def leak(per_minute: float) -> Course:
    def usage(t: Array) -> Array:
        lost = np.clip((t - ONSET) / 60.0 * per_minute, 0.0, 1.0)
        return np.minimum(1.0, 0.2 + lost)

    return usage


def findings(
    usage: Course | float, running: Course | float = 10.0, prompt: Course | float = 1800.0
) -> list[Finding]:
    world = World().replica(
        "a", kv_cache_utilization_mean=usage, requests_running_mean=noisy(running, 0.1)
    )
    about = {"pool": "chat", "model": "chat-model", "replica": "a", "vantage": "engine"}
    world.put(signals.KV_CAPACITY, 100_000.0, **about)
    world.put(signals.PROMPT_LENGTH, prompt, **about)
    world.put(signals.ANSWER_LENGTH, 200.0, **about)
    return list(KvTransferBroken().detect(world.scene()))


def test_a_cache_that_fills_with_nobody_in_it_is_found_and_dated() -> None:
    (finding,) = findings(leak(0.02))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 600.0
    assert finding.severity is Severity.WARNING


def test_when_nothing_more_fits_it_wakes_somebody() -> None:
    (finding,) = findings(leak(0.05))
    assert finding.severity is Severity.CRITICAL


def test_more_requests_and_longer_prompts_explain_a_full_cache() -> None:
    fuller = step(ONSET, 0.2, 0.6)
    assert findings(fuller, running=step(ONSET, 10.0, 30.0)) == []
    assert findings(fuller, prompt=step(ONSET, 1800.0, 5800.0)) == []


def test_a_cache_that_always_holds_more_is_how_this_engine_counts() -> None:
    assert findings(0.8) == []
    assert findings(step(NOW - 5000.0, 0.2, 0.6)) == []
