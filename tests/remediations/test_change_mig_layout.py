"""R15: GPUs are cut only on a drained node."""

from dataclasses import replace

from incident_scenes import World, gpu_of, incident_about

from remediations.change_mig_layout import ChangeMigLayout
from vocabulary import failure_modes as f


def test_is_refused_before_the_node_is_drained(world: World) -> None:
    incident = incident_about(f.NOISY_NEIGHBOUR, gpu_of(world.replicas[0]))
    action = ChangeMigLayout().propose(incident, world.scene())
    assert action is not None
    assert action.met is False
    assert action.command == (
        "kubectl label node/node-chat-0 --overwrite nvidia.com/mig.config=all-balanced"
    )
    assert "--dry-run=server" in action.dry_run


def test_a_drained_node_is_left_to_two_people(world: World) -> None:
    incident = incident_about(f.NOISY_NEIGHBOUR, gpu_of(world.replicas[0]))
    scene = world.scene()
    action = ChangeMigLayout().propose(incident, replace(scene, replicas=scene.replicas[1:]))
    assert action is not None
    assert action.met is None
    assert "1 GPUs are away" in action.risk
