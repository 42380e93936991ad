"""R12: one drained node, and not for the third time."""

from dataclasses import replace

from incident_scenes import NOON, World, gpu_of, incident_about

from remediations.reboot_node import RebootNode
from vocabulary import failure_modes as f
from vocabulary.actions import Autonomy
from vocabulary.entities import Change, Entity, EntityKind

NODE = Entity(EntityKind.NODE, "node-chat-0")


def test_is_refused_before_the_node_is_drained(world: World) -> None:
    action = RebootNode().propose(
        incident_about(f.GPU_LOST, gpu_of(world.replicas[0])), world.scene()
    )
    assert action is not None
    assert action.met is False
    assert "1 replicas are still on it" in action.precondition


def test_a_drained_node_may_be_rebooted_once_more(world: World) -> None:
    incident = incident_about(f.GPU_LOST, NODE)
    world.replicas = world.replicas[1:]
    world.changes = [Change(NOON - 7200, "node", NODE, "node-chat-0 joined the cluster")]
    action = RebootNode().propose(incident, world.scene())
    assert action is not None
    assert action.met is True
    assert action.command.startswith("kubectl debug node/node-chat-0 --profile=sysadmin")
    assert action.command.endswith("-- chroot /host systemctl reboot")


def test_after_two_boots_it_is_the_hardwares_turn(world: World) -> None:
    world.replicas = world.replicas[1:]
    world.changes = [
        Change(NOON - hours * 3600, "node", NODE, "node-chat-0 joined the cluster")
        for hours in (5, 2)
    ]
    action = RebootNode().propose(incident_about(f.GPU_LOST, NODE), world.scene())
    assert action is not None
    assert action.met is False


def test_several_nodes_take_two_people(world: World) -> None:
    both = incident_about(f.GPU_LOST, NODE, replace(NODE, id="node-chat-1"))
    action = RebootNode().propose(both, world.scene())
    assert action is not None
    assert action.autonomy is Autonomy.TWO_PEOPLE
