"""Y04: the latency budget burns."""

from scene_builder import NOW, World, during, step

from detectors.latency_burn import LatencyBurn
from fleet import identity
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

MODEL = {"model": "chat-model"}
POOL = {"pool": "chat", "model": "chat-model"}


def findings(world: World) -> list[Finding]:
    return list(LatencyBurn().detect(world.scene()))


def seen(late: object, rate: float = 1.0) -> World:
    world = World().replica("a")
    world.put(signals.GATEWAY_FIRST_TOKENS_LATE, late, **MODEL)  # type: ignore[arg-type]
    return world.put(signals.GATEWAY_FIRST_TOKEN_RATE, rate, **MODEL)


def test_a_fast_burn_wakes_somebody_and_is_dated() -> None:
    onset = NOW - 1200.0
    (finding,) = findings(seen(step(onset, 0.0, 0.6)))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - onset) <= 60.0


def test_a_slow_burn_over_hours_is_found_too() -> None:
    assert len(findings(seen(0.08))) == 1


def test_a_share_within_the_budget_is_no_burn() -> None:
    assert findings(seen(0.009)) == []


def test_a_burn_that_has_ended_is_not_told_any_more() -> None:
    assert findings(seen(during(NOW - 3000.0, NOW - 600.0, 0.9, 0.0))) == []


def test_a_few_minutes_of_lateness_do_not_cost_two_per_cent_of_a_month() -> None:
    assert findings(seen(step(NOW - 240.0, 0.0, 0.6))) == []


def test_a_handful_of_calls_proves_nothing() -> None:
    assert findings(seen(0.5, rate=0.004)) == []


def test_engines_speak_where_no_gateway_does() -> None:
    world = World().replica("a")
    world.put(signals.FIRST_TOKENS_LATE, 0.5, **POOL).put(signals.FIRST_TOKEN_RATE, 1.0, **POOL)
    (finding,) = findings(world)
    assert finding.evidence[0].signal == signals.FIRST_TOKENS_LATE.name


def test_one_model_is_not_told_twice_by_gateway_and_engines() -> None:
    world = seen(0.5)
    world.put(signals.FIRST_TOKENS_LATE, 0.5, **POOL).put(signals.FIRST_TOKEN_RATE, 1.0, **POOL)
    assert len(findings(world)) == 1
