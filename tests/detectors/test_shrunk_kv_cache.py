"""F29: one replica came up with a smaller cache."""

import pytest
from scene_builder import NOW, World, step

from detectors.shrunk_kv_cache import ShrunkKvCache
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 900.0


def findings(world: World) -> list[Finding]:
    return list(ShrunkKvCache().detect(world.scene()))


def pool(*capacities: object, **about: str) -> World:
    world = World()
    for index, capacity in enumerate(capacities):
        name = "abcdef"[index]
        world.replica(name, **about)
        world.put(
            signals.KV_CAPACITY, capacity,  # type: ignore[arg-type]
            pool="chat", model="chat-model", replica=name, vantage="engine",
        )  # fmt: skip
    return world


def test_the_one_that_has_less_than_its_siblings_is_named_and_dated() -> None:
    (finding,) = findings(pool(step(ONSET, 140_000.0, 98_000.0), 140_000.0, 141_000.0))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 60.0
    assert "30%" in finding.text


@pytest.mark.parametrize("capacities", [
    (98_000.0, 140_000.0),  # who is right?
    (98_000.0, 140_000.0, 70_000.0),  # the siblings do not agree
    (130_000.0, 140_000.0, 140_000.0),  # within what profiling gives
    (170_000.0, 140_000.0, 140_000.0),  # more is no trouble
])  # fmt: skip
def test_without_agreement_or_loss_nothing_is_said(capacities: tuple[float, ...]) -> None:
    assert findings(pool(*capacities)) == []


def test_siblings_on_other_gpus_or_of_another_version_are_no_measure() -> None:
    world = pool(98_000.0, 140_000.0, 140_000.0)
    for name, product in (("a", "NVIDIA L4"), ("b", "NVIDIA L40S"), ("c", "NVIDIA L40S")):
        about = {"gpu": f"GPU-{name}", "node": "node-1"}
        world.gpu(f"GPU-{name}", name)
        world.put(signals.GPU_INFO, 1.0, product=product, index="0", **about)
    assert findings(world) == []
    rolled = World()
    for name, version, capacity in (("a", "v2", 98e3), ("b", "v1", 140e3), ("c", "v1", 140e3)):
        rolled.replica(name, version=version)
        rolled.put(signals.KV_CAPACITY, capacity, pool="chat", model="chat-model", replica=name,
                   vantage="engine")  # fmt: skip
    assert findings(rolled) == []
