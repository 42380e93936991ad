"""F08: answers run into their limit, and every light is green."""

from scene_builder import NOW, Course, World, during, noisy, step

from detectors.garbage_output import GarbageOutput
from fleet import identity
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 420.0
BABBLES = step(ONSET, 0.1, 0.97)


def findings(world: World) -> list[Finding]:
    return list(GarbageOutput().detect(world.scene()))


def pool(*shares: float | Course, rate: float = 1.0) -> World:
    world = World()
    for name, share in zip("abc", shares, strict=False):
        world.replica(name, requests_finished_per_second=rate)
        about = {"pool": "chat", "model": "chat-model", "replica": name, "vantage": "engine"}
        world.put(signals.CUT_SHARE, noisy(share, 0.01), **about)
        world.put(signals.ANSWER_LENGTH, step(ONSET, 200.0, 900.0), **about)
    return world


def test_one_replica_that_babbles_wakes_somebody() -> None:
    (finding,) = findings(pool(BABBLES, 0.1, 0.12))
    assert finding.entity == identity.replica("a")
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - ONSET) <= 90.0
    assert any("900 tokens" in one.text for one in finding.evidence)


def test_a_whole_pool_at_once_may_be_its_callers_and_is_a_ticket() -> None:
    (finding,) = findings(pool(BABBLES, BABBLES, BABBLES))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.WARNING


def test_answers_that_always_were_cut_are_a_habit() -> None:
    assert findings(pool(0.97, 0.95, 0.96)) == []
    assert findings(pool(step(ONSET, 0.6, 0.97), 0.6, 0.6)) == []


def test_few_answers_short_bursts_and_a_somewhat_larger_share_are_no_sign() -> None:
    assert findings(pool(BABBLES, 0.1, 0.1, rate=0.01)) == []
    assert findings(pool(during(ONSET, NOW - 100.0, 0.97, 0.1), 0.1, 0.1)) == []
    assert findings(pool(step(ONSET, 0.1, 0.5), 0.1, 0.1)) == []
