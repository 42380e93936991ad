"""F06: host memory grows and is never given back."""

import numpy as np
from scene_builder import NOW, Course, World, noisy

from detectors.host_memory_leak import HostMemoryLeak
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding
from vocabulary.samples import Array

ONSET = NOW - 9000.0


def rises(per_hour: float) -> Course:
    return lambda t: 6e9 + np.maximum(0.0, t - ONSET) / 3600.0 * per_hour * 1e9


def findings(*courses: float | Course, **about: float) -> list[Finding]:
    world = World()
    for name, course in zip("abc", courses, strict=False):
        world.replica(name, **about)
        world.put(signals.HOST_MEMORY, course, pool="chat", model="chat-model", replica=name,
                  vantage="engine")  # fmt: skip
    return list(HostMemoryLeak().detect(world.scene()))


def test_steady_growth_is_found_with_the_time_that_is_left() -> None:
    (finding,) = findings(rises(0.5), 6e9)
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 300.0
    assert "doubles in 15 h" in finding.text


def test_each_that_leaks_is_named() -> None:
    named = {one.entity for one in findings(rises(0.5), rises(0.4))}
    assert named == {identity.replica("a"), identity.replica("b")}


def test_a_cache_that_fills_and_stays_full_is_none() -> None:
    def fills(t: Array) -> Array:
        return 6e9 + 2e9 * (1.0 - np.exp(-np.maximum(0.0, t - NOW + 5400.0) / 1200.0))

    assert findings(fills) == []


def test_noise_slow_growth_and_a_sawtooth_are_left_alone() -> None:
    assert findings(noisy(6e9, 0.05)) == []
    assert findings(rises(0.05)) == []
    assert findings(lambda t: 6e9 + 1e9 * ((t % 1800.0) / 1800.0)) == []


def test_a_young_process_may_grow() -> None:
    assert findings(rises(0.5), engine_start_time=NOW - 6000.0) == []
