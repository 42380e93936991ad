"""F15: the KV cache is exhausted and requests are preempted."""

from scene_builder import NOW, World, during, noisy, step

from detectors.kv_exhaustion import KvExhaustion
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 600.0
THRASH = {
    "kv_cache_utilization": step(ONSET, 0.6, 0.98),
    "preemptions_per_second": step(ONSET, 0.0, 0.4),
}


def findings(world: World) -> list[Finding]:
    return list(KvExhaustion().detect(world.scene()))


def test_finds_a_full_cache_that_preempts() -> None:
    (finding,) = findings(World().replica("a", **THRASH).replica("b").replica("c"))
    assert finding.entity.id == "a"
    assert abs(finding.since - ONSET) <= 30.0
    assert finding.severity is Severity.WARNING


def test_wakes_somebody_when_half_the_pool_answers_much_later() -> None:
    slow = step(ONSET, 0.3, 2.0)
    world = World().replica("a", time_to_first_token_mean=slow, **THRASH).replica("b")
    (finding,) = findings(world)
    assert finding.severity is Severity.CRITICAL


def test_a_full_cache_without_preemptions_is_good_packing() -> None:
    assert findings(World().replica("a", kv_cache_utilization=0.99)) == []


def test_a_queue_without_preemptions_is_want_of_capacity() -> None:
    assert findings(World().replica("a", requests_waiting=50.0)) == []


def test_a_few_preemptions_in_a_nightly_batch_are_none() -> None:
    world = World().replica(
        "a",
        kv_cache_utilization=during(NOW - 120.0, NOW + 1.0, 0.97, 0.5),
        preemptions_per_second=during(NOW - 120.0, NOW + 1.0, 0.3, 0.0),
    )
    assert findings(world) == []


def test_a_cache_that_breathes_is_still_full() -> None:
    world = World().replica(
        "a", kv_cache_utilization=noisy(0.985, 0.01), preemptions_per_second=0.5
    )
    assert len(findings(world)) == 1
