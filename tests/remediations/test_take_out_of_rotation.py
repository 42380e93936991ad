"""R01: one replica leaves the rotation and stays for the evidence."""

from incident_scenes import World, incident_about

from remediations.take_out_of_rotation import TakeOutOfRotation
from vocabulary import failure_modes as f
from vocabulary.actions import Autonomy
from vocabulary.entities import ReplicaState


def test_says_what_it_leaves_and_the_exact_command(world: World) -> None:
    incident = incident_about(f.ENGINE_STALLED, world.replicas[0].entity)
    action = TakeOutOfRotation().propose(incident, world.scene())
    assert action is not None
    assert (
        action.command
        == "kubectl label pod/chat-0 --namespace=prod --overwrite serving=quarantined"
    )
    assert action.precondition.startswith("leaves 2 of 3 replicas")
    assert (action.met, action.autonomy) == (True, Autonomy.ONE_CLICK)
    assert action.undo.endswith("serving=true")


def test_cannot_tell_when_the_others_are_not_seen(world: World) -> None:
    for one in world.replicas[1:]:
        world.set_state(one.entity, ReplicaState.BLIND)
    incident = incident_about(f.ENGINE_STALLED, world.replicas[0].entity)
    action = TakeOutOfRotation().propose(incident, world.scene())
    assert action is not None
    assert action.met is None
    assert "2 unseen" in action.precondition


def test_tells_what_to_do_by_hand_where_nobody_orchestrates(static_world: World) -> None:
    first = static_world.replicas[0]
    incident = incident_about(f.ENGINE_STALLED, first.entity, pool=first.pool)
    action = TakeOutOfRotation().propose(incident, static_world.scene())
    assert action is not None
    assert action.command.startswith("By hand: take http://10.0.0.0:8000/metrics out")
