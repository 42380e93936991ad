"""F10: a provider outside fails."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.provider_errors import ProviderErrors
from fleet import identity
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

ONSET = NOW - 400.0


def findings(world: World) -> list[Finding]:
    return list(ProviderErrors().detect(world.scene()))


def provider(refused: Any, errors: Any = 0.0, *, model: str = "hosted", rate: float = 4.0) -> World:
    """A replica of ours that is well, and a model of somebody else's."""
    world = World().replica("a")
    attempts = noisy(rate, 0.05, 11)
    return world.gateway(model, attempts=attempts, attempt_errors=refused, errors=errors)


def test_refusals_that_fallbacks_hide_are_a_ticket() -> None:
    (finding,) = findings(provider(step(ONSET, 0.0, 1.5)))
    assert finding.entity == identity.route("hosted")
    assert finding.severity is Severity.WARNING
    assert abs(finding.since - ONSET) <= 60.0


def test_failures_that_users_feel_page() -> None:
    (finding,) = findings(provider(step(ONSET, 0.0, 3.0), step(ONSET, 0.0, 2.0)))
    assert finding.severity is Severity.CRITICAL


def test_a_model_of_our_own_is_another_story() -> None:
    assert findings(provider(step(ONSET, 0.0, 3.0), model="chat-model")) == []


def test_a_provider_that_refuses_little_more_than_ever_is_usual() -> None:
    assert findings(provider(step(ONSET, 0.25, 0.6))) == []


def test_an_outage_that_fills_the_whole_hour_is_still_one() -> None:
    assert findings(provider(0.8))


def test_a_few_refusals_prove_nothing() -> None:
    assert findings(provider(step(ONSET, 0.0, 0.02), rate=0.05)) == []
