"""F21: prompts are no longer found in the prefix cache."""

from scene_builder import NOW, World, during, noisy, step

from detectors.prefix_cache_collapse import PrefixCacheCollapse
from fleet import identity
from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1080.0


def findings(world: World, watched: float = 3600.0) -> list[Finding]:
    return list(PrefixCacheCollapse().detect(world.scene(FleetView(), since=watched)))


def pool(course: object) -> World:
    world = World()
    for name in ("a", "b"):
        world.replica(name)
        world.put(
            signals.PREFIX_HIT_RATIO, noisy(course, 0.03),  # type: ignore[arg-type]
            pool="chat", model="chat-model", replica=name, vantage="engine",
        )  # fmt: skip
    return world


def test_a_fall_on_the_whole_pool_is_found_and_dated() -> None:
    (finding,) = findings(pool(step(ONSET, 0.5, 0.15)))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - ONSET) <= 180.0
    assert finding.evidence[0].expected is not None


def test_a_dip_that_is_over_is_none() -> None:
    assert findings(pool(during(NOW - 900.0, NOW - 400.0, 0.15, 0.5))) == []


def test_small_changes_and_hardly_used_caches_are_left_alone() -> None:
    assert findings(pool(step(ONSET, 0.5, 0.42))) == []
    assert findings(pool(step(ONSET, 0.07, 0.01))) == []


def test_hits_that_rise_are_good_news() -> None:
    assert findings(pool(step(ONSET, 0.2, 0.6))) == []


def test_fresh_replicas_have_cold_caches_and_that_is_no_collapse() -> None:
    assert findings(pool(step(ONSET, 0.5, 0.15)), watched=600.0) == []


def test_learns_nothing_from_an_incident() -> None:
    world = pool(lambda t: step(NOW - 9000.0, 0.5, 0.15)(t))
    world.troubled = {"pool/chat": ((NOW - 9000.0, NOW),)}
    assert len(findings(world)) == 1
