"""F36: calls moved to a dearer model."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.dear_model_mix import DearModelMix
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1500.0


def findings(world: World) -> list[Finding]:
    return list(DearModelMix().detect(world.scene()))


def used(cheap: Any, dear: Any, *, price: float = 0.06, factor: Any = 1.0) -> World:
    """Calls a second to a model at a cent a call and to one at *price*, in dollars."""
    world = World().replica("a")
    for model, rate, dollars in (("cheap", cheap, 0.01), ("dear", dear, price)):
        who = {"tenant": "acme", "model": model}
        course = rate if callable(rate) else (lambda t, level=rate: 0.0 * t + level)
        grown = factor if callable(factor) else (lambda t, level=factor: 0.0 * t + level)
        world.put(signals.TENANT_OPERATION_RATE, noisy(course, 0.05, len(model)), **who)
        world.put(
            signals.TENANT_SPEND,
            noisy(lambda t, c=course, g=grown, d=dollars: c(t) * g(t) * d * 3600.0, 0.05),
            **who,
        )
    return world


def test_calls_that_move_to_a_dear_model_are_found_and_the_model_is_named() -> None:
    (finding,) = findings(used(step(ONSET, 2.0, 1.2), step(ONSET, 0.2, 1.0)))
    assert finding.entity == identity.tenant("acme")
    assert finding.model == "dear"
    assert abs(finding.since - ONSET) <= 240.0


def test_more_calls_in_the_same_mix_are_another_story() -> None:
    assert findings(used(step(ONSET, 2.0, 6.0), step(ONSET, 0.2, 0.6))) == []


def test_longer_calls_in_the_same_mix_are_another_story() -> None:
    assert findings(used(2.0, 0.2, factor=step(ONSET, 1.0, 4.0))) == []


def test_a_move_between_models_of_one_price_costs_nobody_anything() -> None:
    assert findings(used(step(ONSET, 2.0, 1.0), step(ONSET, 0.2, 1.2), price=0.01)) == []


def test_a_move_to_the_cheap_model_is_good_news() -> None:
    assert findings(used(step(ONSET, 1.0, 2.0), step(ONSET, 1.0, 0.1))) == []


def test_calls_that_come_on_top_of_the_others_moved_nowhere() -> None:
    """F31: the dear model's share is as large as after a move, and the others go on."""
    assert findings(used(2.0, step(ONSET, 0.2, 1.7))) == []
    busier = used(step(ONSET, 2.0, 1.6), step(ONSET, 0.2, 1.0))
    assert len(findings(busier)) == 1, "a busier hour moves both"


def test_a_loop_whose_prompts_multiply_came_on_top_and_moved_nothing() -> None:
    """F30."""
    moved = used(step(ONSET, 2.0, 1.2), step(ONSET, 0.2, 1.0))
    for model, prompts in (("cheap", 4000.0), ("dear", step(ONSET, 4000.0, 20_000.0))):
        moved.put(signals.TENANT_PROMPT_LENGTH, prompts, tenant="acme", model=model)
    assert findings(moved) == []
    moved.put(signals.TENANT_PROMPT_LENGTH, 4000.0, tenant="acme", model="dear")
    assert len(findings(moved)) == 1
