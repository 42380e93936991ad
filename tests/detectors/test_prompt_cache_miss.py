"""F35: prompts that a provider reads anew."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.prompt_cache_miss import PromptCacheMiss
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 2700.0


def findings(world: World) -> list[Finding]:
    return list(PromptCacheMiss().detect(world.scene()))


def used(
    cached: Any = None, *, model: str = "hosted", tokens: Any = 1000.0, spend: Any = None
) -> World:
    world = World().replica("a")
    who = {"tenant": "acme", "model": model}
    share = step(ONSET, 0.8, 0.1) if cached is None else cached
    world.put(signals.TENANT_CACHED_SHARE, noisy(share, 0.05), **who)
    world.put(signals.TENANT_INPUT_RATE, noisy(tokens, 0.05), **who)
    world.put(signals.TENANT_CALL_RATE, noisy(1.0, 0.05), **who)
    price = step(ONSET, 1.0, 3.2) if spend is None else spend
    return world.put(signals.TENANT_SPEND, noisy(price, 0.05), **who)


def test_a_cached_share_that_falls_is_found_with_its_tenant() -> None:
    (finding,) = findings(used())
    assert finding.entity == identity.tenant("acme")
    assert finding.model == "hosted"
    assert abs(finding.since - ONSET) <= 240.0


def test_a_model_that_our_replicas_serve_is_another_story() -> None:
    """F21."""
    assert findings(used(model="chat-model")) == []


def test_little_was_cached_and_little_is_lost() -> None:
    assert findings(used(step(ONSET, 0.2, 0.05))) == []


def test_other_prompts_are_no_miss() -> None:
    assert findings(used(tokens=step(ONSET, 1000.0, 5000.0), spend=step(ONSET, 1.0, 12.0))) == []


def test_what_costs_the_same_is_no_loss() -> None:
    assert findings(used(spend=1.0)) == []


def test_a_share_that_rises_is_good_news() -> None:
    assert findings(used(step(ONSET, 0.1, 0.8))) == []
