"""F32: one tenant takes most of a pool."""

from scene_builder import NOW, World, noisy, step

from detectors.tenant_hog import TenantHog
from fleet import identity
from vocabulary.findings import Finding

ONSET = NOW - 780.0
SLOW = step(ONSET, 0.3, 1.2)


def findings(world: World) -> list[Finding]:
    return list(TenantHog().detect(world.scene()))


def pool(
    *, ttft: object = SLOW, hog: object = step(ONSET, 200.0, 4000.0), calls: float = 1.0
) -> World:
    world = World().replica("a", time_to_first_token_mean=ttft)
    world.tenant("acme", input=noisy(1000.0, 0.05), output=noisy(200.0, 0.05))
    return world.tenant(
        "hog", input=noisy(hog, 0.05), output=noisy(50.0, 0.05), calls=calls  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_tenant_that_takes_over_and_makes_others_wait_is_named() -> None:
    (finding,) = findings(pool())
    assert finding.entity == identity.tenant("hog")
    assert finding.related == (identity.pool("chat"),)
    assert abs(finding.since - ONSET) <= 180.0


def test_half_of_an_idle_pool_is_taken_from_nobody() -> None:
    assert findings(pool(ttft=0.3)) == []


def test_a_tenant_that_always_had_most_is_its_owner() -> None:
    assert findings(pool(hog=4000.0)) == []


def test_calls_count_where_tokens_of_failed_calls_are_booked_nowhere() -> None:
    world = pool(hog=200.0, calls=noisy(step(ONSET, 1.0, 20.0), 0.1))  # type: ignore[arg-type]
    (finding,) = findings(world)
    assert finding.entity == identity.tenant("hog")


def test_a_share_that_grows_because_the_others_leave_takes_from_nobody() -> None:
    world = World().replica("a", time_to_first_token_mean=SLOW)
    world.tenant("acme", input=noisy(step(ONSET, 2000.0, 200.0), 0.05), output=noisy(50.0, 0.05))
    assert findings(world.tenant("stays", input=noisy(800.0, 0.05), output=noisy(90.0, 0.05))) == []


def test_an_only_tenant_crowds_nobody_out() -> None:
    world = World().replica("a", time_to_first_token_mean=SLOW)
    assert findings(world.tenant("hog", input=step(ONSET, 10.0, 4000.0))) == []
