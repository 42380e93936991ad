"""F05: the GPU was full when the engine died."""

from scene_builder import NOW, Course, World, during, step

from detectors.cuda_oom import CudaOom
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.findings import Finding

DIED = NOW - 90.0
DOWN = step(DIED, 1.0, 0.0)
FULL = during(DIED - 30.0, DIED, 0.995, 0.93)


def findings(world: World) -> list[Finding]:
    return list(CudaOom().detect(world.scene(since=1500.0)))


def replica(memory: float | Course, up: float | Course = DOWN) -> World:
    world = World().replica("a", target_up=up).replica("b").gpu("GPU-a", "a")
    return world.put(signals.GPU_MEMORY_SHARE, memory, gpu="GPU-a", node="node-1")


def test_a_full_gpu_just_before_the_death_is_found_with_its_gpu() -> None:
    (finding,) = findings(replica(FULL))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - DIED) <= 60.0
    assert identity.gpu("GPU-a") in finding.related


def test_a_restart_that_kubernetes_tells_of_counts_unless_the_host_ran_out() -> None:
    for what, found in (("a restarted: vllm ended with exit code 1", 1),
                        ("a restarted: vllm ran out of memory (OOMKilled)", 0)):  # fmt: skip
        world = replica(FULL, up=1.0)
        world.changes.append(Change(DIED, "restart", identity.replica("a"), what, "chat"))
        assert len(findings(world)) == found


def test_a_death_without_a_full_gpu_and_a_full_gpu_without_a_death_are_not_meant() -> None:
    assert findings(replica(0.93)) == []
    assert findings(replica(FULL, up=1.0)) == []


def test_a_gpu_that_always_is_that_full_tells_nothing() -> None:
    assert findings(replica(0.99)) == []


def test_it_is_no_news_for_ever() -> None:
    old = NOW - 1100.0
    world = replica(during(old - 30.0, old, 0.995, 0.93), up=step(old, 1.0, 0.0))
    assert findings(world) == []
