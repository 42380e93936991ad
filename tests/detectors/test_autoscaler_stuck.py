"""F23: a pool is scaled in under load."""

import numpy as np
from scene_builder import NOW, World, noisy, step

from detectors.autoscaler_stuck import AutoscalerStuck
from fleet import identity
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

AT = NOW - 240.0


def findings(world: World) -> list[Finding]:
    return list(AutoscalerStuck().detect(world.scene()))


def scaled_in(
    left: int = 1, of: int = 3, *, usual: float = 10.0, carried: float = 30.0,
    calls: float = 4.0, told: bool = True,
) -> World:  # fmt: skip
    """*left* of so many replicas stay and carry so much each; the others end at AT."""
    world = World().gateway(operations=noisy(step(AT, 4.0, calls), 0.05, 11))
    for index in range(of):
        stays = index < left
        world.replica(
            f"r{index}",
            requests_running_mean=noisy(step(AT, usual, carried if stays else np.nan), 0.05, index),
            target_up=1.0 if stays else step(AT, 1.0, np.nan),
        )
    if told:
        what = f"replicas {of} → {left}"
        world.changes.append(Change(AT, "scale", identity.pool("chat"), what, "chat"))
    return world


def test_a_scale_in_under_load_is_found_and_pages_when_half_is_gone() -> None:
    (finding,) = findings(scaled_in())
    assert finding.entity == identity.pool("chat")
    assert (finding.severity, finding.since) == (Severity.CRITICAL, AT)
    assert "from 3 to 1" in finding.text


def test_one_of_three_is_a_ticket() -> None:
    (finding,) = findings(scaled_in(left=2, carried=15.0))
    assert finding.severity is Severity.WARNING


def test_a_scale_in_after_the_load_has_gone_is_right() -> None:
    assert findings(scaled_in(carried=9.0)) == []
    assert findings(scaled_in(calls=1.0)) == []


def test_one_of_four_is_a_step_of_a_healthy_autoscaler() -> None:
    assert findings(scaled_in(left=3, of=4)) == []


def test_replicas_that_nobody_scaled_in_are_another_story() -> None:
    assert findings(scaled_in(told=False)) == []


def test_an_idle_pool_may_be_small() -> None:
    assert findings(scaled_in(usual=0.3, carried=1.0)) == []


def test_b11_pods_that_leave_a_cordoned_node_come_again_elsewhere() -> None:
    world = scaled_in(left=2, carried=15.0)
    elsewhere = Change(AT - 60.0, "node", identity.node("node-9"), "node-9 cordoned")
    world.changes.append(elsewhere)
    assert len(findings(world)) == 1
    world.changes.append(Change(AT - 60.0, "node", identity.node("node-1"), "node-1 cordoned"))
    assert findings(world) == []
