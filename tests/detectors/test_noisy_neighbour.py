"""F25: a neighbour on a shared GPU."""

from typing import Any

from scene_builder import NOW, World, noisy, step

from detectors.noisy_neighbour import NoisyNeighbour
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 1500.0


def findings(world: World) -> list[Finding]:
    return list(NoisyNeighbour().detect(world.scene()))


def shared(pace: Any = None, foreign: Any = None, *, mig: str = "", **courses: Any) -> World:
    """A replica and a notebook on one GPU."""
    slower = step(ONSET, 0.025, 0.04) if pace is None else pace
    world = World().replica("a", inter_token_latency_mean=noisy(slower, 0.03), **courses)
    own = {"gpu": "GPU-1", "owner": "pod", "pod": "a", "pool": "chat", "replica": "a", "mig": mig}
    other = {"gpu": "GPU-1", "owner": "pod", "pod": "notebook", "namespace": "lab", "mig": mig}
    taken = step(ONSET, 0.0, 0.5) if foreign is None else foreign
    world.put(signals.GPU_SHARE_UTILIZATION, 0.5, **{k: v for k, v in own.items() if v})
    return world.put(signals.GPU_SHARE_UTILIZATION, taken, **{k: v for k, v in other.items() if v})


def test_a_replica_that_slows_when_its_neighbour_works_is_found_and_both_are_named() -> None:
    (finding,) = findings(shared())
    assert str(finding.entity) == "replica/a"
    assert "lab/notebook" in finding.text
    assert abs(finding.since - ONSET) <= 180.0


def test_a_neighbour_that_always_worked_is_no_news() -> None:
    assert findings(shared(foreign=0.5)) == []


def test_a_neighbour_that_slows_nobody_is_none() -> None:
    assert findings(shared(pace=0.025)) == []


def test_more_load_of_its_own_explains_it() -> None:
    busier = noisy(step(ONSET, 10.0, 20.0), 0.1, 1)
    assert findings(shared(output_tokens_per_second=busier)) == []


def test_instances_are_isolated() -> None:
    assert findings(shared(mig="MIG-1")) == []


def test_a_little_more_load_explains_a_little_and_no_more() -> None:
    busier = noisy(step(ONSET, 400.0, 520.0), 0.05, 1)
    assert findings(shared(output_tokens_per_second=busier))
    slightly = step(ONSET, 0.025, 0.032)
    assert findings(shared(pace=slightly, output_tokens_per_second=busier)) == []


def test_beside_siblings_a_little_shows_in_the_bursts_that_hit_them_all() -> None:
    bursts = noisy(1.0, 0.5, 11)
    slowed = step(ONSET, 0.025, 0.034)
    world = shared(pace=lambda t: slowed(t) * bursts(t))
    assert findings(world) == []
    for name in ("b", "c"):
        world.replica(name, inter_token_latency_mean=lambda t: 0.025 * bursts(t))
    (finding,) = findings(world)
    assert str(finding.entity) == "replica/a"
    assert "1.4 times" in finding.text
