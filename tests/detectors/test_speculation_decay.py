"""F28: drafts are thrown away."""

from scene_builder import NOW, Course, World, during, noisy, step

from detectors.speculation_decay import SpeculationDecay
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.findings import Finding

ONSET = NOW - 1500.0


def findings(world: World) -> list[Finding]:
    return list(SpeculationDecay().detect(world.scene()))


def pool(*courses: float | Course) -> World:
    world = World()
    for name, course in zip("abc", courses, strict=False):
        world.replica(name).put(
            signals.DRAFT_ACCEPTANCE, noisy(course, 0.05, len(name)),
            pool="chat", model="chat-model", replica=name, vantage="engine",
        )  # fmt: skip
    return world


def test_one_replica_that_accepts_less_is_named() -> None:
    (finding,) = findings(pool(step(ONSET, 0.7, 0.35), 0.7, 0.7))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 300.0


def test_where_most_do_it_is_the_pool() -> None:
    down = step(ONSET, 0.7, 0.4)
    (finding,) = findings(pool(down, down, 0.7))
    assert finding.entity == identity.pool("chat")
    assert len(finding.related) == 2


def test_small_falls_dips_and_rises_are_left_alone() -> None:
    assert findings(pool(step(ONSET, 0.7, 0.62))) == []
    assert findings(pool(during(ONSET, NOW - 600.0, 0.3, 0.7))) == []
    assert findings(pool(step(ONSET, 0.4, 0.7))) == []
    assert findings(pool(step(ONSET, 0.12, 0.05))) == []


def test_another_model_or_revision_has_another_acceptance() -> None:
    world = pool(step(ONSET, 0.7, 0.35), 0.7)
    world.changes.append(Change(ONSET - 60.0, "rollout", identity.pool("chat"), "v1 → v2", "chat"))
    assert findings(world) == []
