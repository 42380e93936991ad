"""F39: GPUs that nobody needed for a day."""

from typing import Any

import numpy as np
from scene_builder import NOW, World, step

from detectors.idle_gpu import IdleGpu
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding


def findings(world: World) -> list[Finding]:
    return list(IdleGpu().detect(world.scene()))


def replicas(tokens: Any = 0.0, busy: Any = 0.0) -> World:
    """Two replicas with a GPU each; the tokens of the first, and how busy its GPU was."""
    world = World()
    for name, asked, used in (("a", tokens, busy), ("b", 1e6, 0.6)):
        world.replica(name).gpu(f"GPU-{name}", name, utilization=used)
        about = {"pool": "chat", "model": "chat-model", "vantage": "engine"}
        world.put(signals.HOURLY_INPUT, asked, replica=name, **about)
    return world


def test_a_replica_that_was_not_called_for_a_day_is_found() -> None:
    (finding,) = findings(replicas())
    assert finding.entity == identity.pool("chat")
    assert [str(one) for one in finding.related] == ["replica/a"]
    assert "hold 1 GPU." in finding.text


def test_one_call_in_the_day_is_use() -> None:
    assert findings(replicas(tokens=step(NOW - 40_000.0, 500.0, 0.0))) == []


def test_a_gpu_that_works_without_calls_is_used() -> None:
    assert findings(replicas(busy=step(NOW - 40_000.0, 0.9, 0.0))) == []


def test_half_a_day_that_is_known_says_nothing() -> None:
    assert findings(replicas(tokens=step(NOW - 40_000.0, np.nan, 0.0))) == []
