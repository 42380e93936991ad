"""F57: one process under two names."""

from scene_builder import NOW, World, noisy

from detectors.double_counting import DoubleCounting
from fleet import identity
from fleet.topology import FleetView
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

BORN = NOW - 5 * 86_400.0


def read(world: World, name: str, seed: int, born: float = BORN, pool: str = "chat") -> World:
    return world.replica(
        name,
        pool=pool,
        model="m",
        engine_start_time=born,
        input_tokens_per_second=noisy(2000.0, 0.3, seed),
        output_tokens_per_second=noisy(400.0, 0.3, seed + 1),
    )


def findings(world: World, since: float = 1800.0) -> list[Finding]:
    return list(DoubleCounting().detect(world.scene(FleetView(), since=since)))


def test_finds_a_process_that_two_lists_name() -> None:
    world = read(World(), "c/n/u/vllm", 3)
    world = read(world, "static/10.0.0.7:8000", 3, pool="m")
    (finding,) = findings(read(world, "c/n/v/vllm", 9, BORN + 40.0))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.WARNING
    assert {one.id for one in finding.related} == {"c/n/u/vllm", "static/10.0.0.7:8000"}
    assert "read twice" in finding.text


def test_replicas_that_started_together_and_share_a_load_are_two() -> None:
    assert findings(read(read(World(), "static/a:1", 3), "static/b:1", 17)) == []


def test_the_same_load_on_processes_of_different_age_is_two() -> None:
    assert findings(read(read(World(), "static/a:1", 3), "static/b:1", 3, BORN + 40.0)) == []


def test_waits_until_both_were_seen_for_a_while() -> None:
    assert findings(read(read(World(), "static/a:1", 3), "static/b:1", 3), since=0.0) == []


def test_idle_replicas_tell_nothing_about_who_they_are() -> None:
    world = World()
    for name in ("static/a:1", "static/b:1"):
        world.replica(name, model="m", engine_start_time=BORN, input_tokens_per_second=0.0,
                      output_tokens_per_second=0.0)  # fmt: skip
    assert findings(world) == []


def test_two_pods_are_never_one_process() -> None:
    assert findings(read(read(World(), "c/n/u/vllm", 3), "c/n/v/vllm", 3)) == []
