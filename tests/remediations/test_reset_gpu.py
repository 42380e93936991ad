"""R11: a GPU is reset only while nothing runs on it."""

from dataclasses import replace

import pytest
from incident_scenes import World, gpu_of, incident_about

from remediations.reset_gpu import ResetGpu
from vocabulary import failure_modes as f
from vocabulary.actions import Action
from vocabulary.scene import Scene


def propose(scene: Scene, world: World) -> Action:
    incident = incident_about(f.GPU_RECOVERY_NEEDED, gpu_of(world.replicas[0]))
    action = ResetGpu().propose(incident, scene)
    assert action is not None
    return action


def asked(world: World, action: str) -> None:
    labels = {"gpu": "GPU-chat-0", "node": "node-chat-0", "action": action}
    world.series["gpu_recovery_action"] = [(labels, [1.0] * 31)]


def empty(world: World) -> Scene:
    """The scene after the node was drained."""
    scene = world.scene()
    gpus = tuple(replace(one, replicas=()) for one in scene.gpus)
    return replace(scene, replicas=scene.replicas[1:], gpus=gpus)


def test_is_refused_while_a_replica_runs_on_it(world: World) -> None:
    asked(world, "gpu_reset")
    action = propose(world.scene(), world)
    assert action.met is False
    assert action.precondition.startswith("1 replicas run on it")


@pytest.mark.parametrize(
    ("advice", "met"),
    [("gpu_reset", True), ("drain_and_reset", True), ("node_reboot", False), ("none", None)],
)
def test_follows_what_the_driver_asks_for(world: World, advice: str, met: bool | None) -> None:
    asked(world, advice)
    action = propose(empty(world), world)
    assert action.met is met
    assert action.command == "sudo nvidia-smi --gpu-reset --id=GPU-chat-0"
    assert "query-compute-apps" in action.dry_run


def test_is_not_proposed_where_no_gpu_is_known(world: World) -> None:
    world.replicas[0] = replace(world.replicas[0], gpus=("a", "b"))
    incident = incident_about(f.COLLECTIVE_HANG, world.replicas[0].entity)
    assert ResetGpu().propose(incident, world.scene()) is None
