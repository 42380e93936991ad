"""F19: adapters wait for a slot."""

from scene_builder import NOW, World, during, step

from detectors.lora_thrash import LoraThrash
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1200.0


def findings(course: object) -> list[Finding]:
    world = World().replica("a").replica("b").put(
        signals.LORA_WAITING, course,  # type: ignore[arg-type]
        pool="chat", model="chat-model", replica="a", vantage="engine",
    )  # fmt: skip
    return list(LoraThrash().detect(world.scene()))


def test_adapters_that_wait_for_minutes_are_found_and_dated() -> None:
    (finding,) = findings(step(ONSET, 0.0, 3.0))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 60.0


def test_a_moment_of_loading_is_how_it_works() -> None:
    assert findings(during(NOW - 300.0, NOW, 2.0, 0.0)) == []
    assert findings(lambda t: (t // 30.0) % 2) == []
    assert findings(0.0) == []
