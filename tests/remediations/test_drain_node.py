"""R10: everything moves off a node that has failed."""

from incident_scenes import World, gpu_of, incident_about

from remediations.drain_node import DrainNode
from vocabulary import failure_modes as f


def test_counts_what_moves_and_where_to(world: World) -> None:
    incident = incident_about(f.GPU_LOST, gpu_of(world.replicas[0]))
    action = DrainNode().propose(incident, world.scene())
    assert action is not None
    assert action.command == (
        "kubectl drain node/node-chat-0 --ignore-daemonsets --delete-emptydir-data --timeout=15m"
    )
    assert "1 replicas with 1 GPUs move, and 0 free" in action.precondition
    assert action.met is None
