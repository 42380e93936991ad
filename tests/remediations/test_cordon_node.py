"""R09: no more work for a node whose hardware is in doubt."""

from incident_scenes import World, gpu_of, incident_about

from remediations.cordon_node import CordonNode
from vocabulary import failure_modes as f


def test_finds_the_node_of_a_gpu(world: World) -> None:
    incident = incident_about(f.STRAGGLER_GPU, gpu_of(world.replicas[1]))
    action = CordonNode().propose(incident, world.scene())
    assert action is not None
    assert action.command == "kubectl cordon node/node-chat-1"
    assert action.precondition == "leaves 2 of 3 nodes that are seen"
    assert action.met is True


def test_does_not_cordon_the_only_node(world: World) -> None:
    world.replicas = world.replicas[:1]
    incident = incident_about(f.STRAGGLER_GPU, gpu_of(world.replicas[0]))
    action = CordonNode().propose(incident, world.scene())
    assert action is not None
    assert action.met is False
