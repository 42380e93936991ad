"""F34: one tenant's answers run to their limit."""

from scene_builder import NOW, World, during, noisy, step

from detectors.runaway_output import RunawayOutput
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.findings import Finding

ONSET = NOW - 900.0
WHO = {"tenant": "acme", "model": "chat-model"}


def findings(world: World) -> list[Finding]:
    return list(RunawayOutput().detect(world.scene()))


def answers(length: object, calls: float = 1.0) -> World:
    world = World().replica("a").put(signals.TENANT_OPERATION_RATE, calls, **WHO)
    return world.put(signals.TENANT_ANSWER_LENGTH, noisy(length, 0.1), **WHO)  # type: ignore[arg-type]


def test_answers_that_grow_severalfold_are_found_at_the_tenant() -> None:
    (finding,) = findings(answers(step(ONSET, 200.0, 900.0)))
    assert finding.entity == identity.tenant("acme")
    assert finding.tenant == "acme"
    assert identity.pool("chat") in finding.related
    assert abs(finding.since - ONSET) <= 240.0


def test_somewhat_longer_answers_are_nobodys_fault() -> None:
    assert findings(answers(step(ONSET, 200.0, 320.0))) == []


def test_a_few_long_answers_are_no_habit() -> None:
    assert findings(answers(step(ONSET, 200.0, 2000.0), calls=0.02)) == []


def test_a_burst_of_long_answers_that_is_over_is_none() -> None:
    assert findings(answers(during(NOW - 900.0, NOW - 360.0, 1500.0, 200.0))) == []


def test_another_model_has_other_lengths_for_good() -> None:
    world = answers(step(ONSET, 200.0, 900.0))
    swap = Change(ONSET - 60.0, "model", identity.pool("chat"), "model a → b", "chat")
    world.changes.append(swap)
    assert findings(world) == []
