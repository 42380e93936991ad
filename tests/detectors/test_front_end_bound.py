"""F17: the wait is before the scheduler."""

from scene_builder import NOW, Course, World, noisy, step

from detectors.front_end_bound import FrontEndBound
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 900.0
LATE = step(ONSET, 0.3, 4.0)
BUSY = step(ONSET, 0.5, 1.1)


def findings(
    ttft: Course | float = LATE, queue: Course | float = 0.02, cores: Course | float = BUSY,
    waiting: Course | float = 0.0, names: str = "a",
) -> list[Finding]:  # fmt: skip
    world = World()
    for name in names:
        world.replica(name, time_to_first_token_mean=noisy(ttft, 0.1), requests_waiting=waiting)
        about = {"pool": "chat", "model": "chat-model", "replica": name, "vantage": "engine"}
        world.put(signals.QUEUE_MEAN, queue, **about)
        world.put(signals.HOST_CPU, noisy(cores, 0.03), **about)
    return list(FrontEndBound().detect(world.scene()))


def test_late_first_tokens_with_a_busy_core_and_no_queue_are_found_and_dated() -> None:
    (finding,) = findings()
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 60.0
    assert len(finding.evidence) == 2


def test_several_of_a_pool_are_one_finding() -> None:
    (finding,) = findings(names="ab")
    assert finding.entity == identity.pool("chat")


def test_a_queue_in_the_engine_is_a_want_of_capacity() -> None:
    assert findings(waiting=5.0) == []
    assert findings(queue=step(ONSET, 0.02, 3.8)) == []


def test_long_prompts_cost_the_gpu_and_not_the_core() -> None:
    assert findings(cores=0.5) == []


def test_a_server_that_always_uses_more_cores_is_not_bound_by_one() -> None:
    assert findings(cores=2.0) == []


def test_a_busy_core_that_keeps_nobody_waiting_is_well_used() -> None:
    assert findings(ttft=0.3) == []
    assert findings(ttft=step(NOW - 200.0, 0.3, 4.0)) == []
