"""F16: answers halt beside long prompts."""

from scene_builder import NOW, Course, World, during, noisy, step

from detectors.prefill_interference import PrefillInterference
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1200.0
LONGER = step(ONSET, 2000.0, 2500.0)
HALTS = step(ONSET, 0.0004, 0.01)


def findings(
    gaps: Course | float = HALTS, median: Course | float = 0.025,
    prompt: Course | float = LONGER, names: str = "a",
    **courses: Course | float,
) -> list[Finding]:  # fmt: skip
    world = World()
    for name in names:
        world.replica(name, **courses)
        about = {"pool": "chat", "model": "chat-model", "replica": name, "vantage": "engine"}
        world.put(signals.LONG_GAPS, noisy(gaps, 0.1), **about)
        world.put(signals.ITL_MEDIAN, median, **about)
        world.put(signals.PROMPT_LENGTH, noisy(prompt, 0.02), **about)
    return list(PrefillInterference().detect(world.scene()))


def test_halts_beside_longer_prompts_are_found_and_dated() -> None:
    (finding,) = findings()
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 120.0


def test_several_of_a_pool_are_one_finding() -> None:
    (finding,) = findings(names="abc")
    assert finding.entity == identity.pool("chat")


def test_an_engine_that_is_slower_at_every_token_is_another_failure() -> None:
    assert findings(median=step(ONSET, 0.025, 0.06)) == []
    assert findings(median=step(ONSET, 0.025, 0.0315)) == [], "27 % slower, as after a bad release"
    assert len(findings(median=step(ONSET, 0.025, 0.0275))) == 1


def test_freezes_have_no_longer_prompts_and_preemption_explains_itself() -> None:
    assert findings(prompt=2000.0) == []
    assert findings(preemptions_per_second=step(ONSET, 0.0, 0.5)) == []


def test_a_few_more_long_prompts_than_usual_are_chance_and_many_are_not() -> None:
    few = step(ONSET, 0.0001, 0.0005)
    assert findings(gaps=few, output_tokens_per_second=270.0) == []
    assert len(findings(gaps=step(ONSET, 0.0001, 0.002), output_tokens_per_second=270.0)) == 1
    assert len(findings(gaps=step(ONSET, 0.0, 0.0005), output_tokens_per_second=130.0)) == 1


def test_what_always_was_so_and_what_is_over_are_left_alone() -> None:
    assert findings(gaps=0.01) == []
    assert findings(gaps=during(ONSET, NOW - 300.0, 0.01, 0.0004)) == []
