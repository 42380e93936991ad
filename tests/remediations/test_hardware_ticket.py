"""R13: what the owner of the hardware wants to see."""

from incident_scenes import World, gpu_of, incident_about

from remediations.hardware_ticket import HardwareTicket
from vocabulary import failure_modes as f


def test_names_the_gpu_by_its_uuid(world: World) -> None:
    incident = incident_about(f.GPU_LOST, gpu_of(world.replicas[0]))
    action = HardwareTicket().propose(incident, world.scene())
    assert action is not None
    assert "--id=GPU-chat-0" in action.command
    assert "node-chat-0" in action.precondition


def test_needs_a_gpu(world: World) -> None:
    incident = incident_about(f.GPU_LOST, world.replicas[0].entity)
    assert HardwareTicket().propose(incident, world.scene()) is None
