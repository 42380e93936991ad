"""F31: a known caller suddenly calls like many strangers."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.leaked_key import LeakedKey
from fleet import identity
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 480.0


def findings(world: World) -> list[Finding]:
    return list(LeakedKey().detect(world.scene()))


def used(
    dear: Any = None, cheap: Any = 2.0, *, prompts: Any = 800.0, history: float = 0.2
) -> World:
    """Calls of one tenant to a cent-a-call model and to one at six cents."""
    courses = {"cheap": cheap, "dear": step(ONSET, 0.2, 6.0) if dear is None else dear}
    world = World().replica("a", model="dear")
    for model, rate in courses.items():
        who = {"tenant": "acme", "model": model}
        world.put(signals.TENANT_OPERATION_RATE, noisy(rate, 0.05, len(model)), **who)
        world.put(signals.TENANT_PROMPT_LENGTH, prompts if model == "dear" else 900.0, **who)
        world.put(signals.TENANT_CALL_RATE, history if model == "dear" else 2.0, **who)
        world.put(signals.TENANT_SPEND, 72.0 if model == "cheap" else 43.0, **who)
    return world


def test_a_jump_to_the_dearest_model_pages_and_names_the_tenant() -> None:
    (finding,) = findings(used())
    assert finding.entity == identity.tenant("acme")
    assert (finding.severity, finding.model) == (Severity.CRITICAL, "dear")
    assert abs(finding.since - ONSET) <= 120.0


def test_prompts_that_grow_are_a_loop_that_reads_itself() -> None:
    assert findings(used(prompts=step(ONSET, 800.0, 20_000.0))) == []


def test_calls_that_only_move_are_another_story() -> None:
    assert findings(used(dear=step(ONSET, 0.2, 1.5), cheap=step(ONSET, 2.0, 0.7))) == []


def test_more_of_the_same_mix_is_no_leak() -> None:
    assert findings(used(cheap=step(ONSET, 2.0, 60.0))) == []


def test_what_comes_at_this_hour_every_day_is_none() -> None:
    assert findings(used(history=6.0)) == []


def test_a_caller_without_a_past_is_no_leaked_key() -> None:
    world = used(dear=step(ONSET, 0.0, 6.0), cheap=0.0)
    assert findings(world) == []
