"""R21: what has been idle for a day is given back, the last replica never."""

from dataclasses import replace

from incident_scenes import NOON, World, incident_about

from remediations.scale_in_idle import ScaleInIdle
from vocabulary import failure_modes as f
from vocabulary.actions import Action
from vocabulary.entities import ReplicaState


def propose(world: World, idle: int, hours: float) -> Action | None:
    world.replicas = [
        replace(one, state=ReplicaState.IDLE, since=NOON - hours * 3600) if n < idle else one
        for n, one in enumerate(world.replicas)
    ]
    incident = incident_about(f.OVER_REPLICATION, world.replicas[0].entity)
    return ScaleInIdle().propose(incident, world.scene())


def test_takes_the_idle_ones_away(world: World) -> None:
    action = propose(world, 2, 30.0)
    assert action is not None
    assert action.command == (
        "kubectl scale deployment/chat --namespace=prod --current-replicas=3 --replicas=1"
    )
    assert action.met is None
    assert action.undo.endswith("--replicas=3")


def test_never_takes_the_last_one(world: World) -> None:
    action = propose(world, 3, 30.0)
    assert action is not None
    assert action.command.endswith("--replicas=1")


def test_an_hour_of_calm_is_no_reason(world: World) -> None:
    action = propose(world, 2, 1.0)
    assert action is not None
    assert action.met is False


def test_requests_that_wait_are_a_reason_against_it(world: World) -> None:
    labels = {"replica": world.replicas[2].entity.id, "pool": "prod/chat"}
    world.series["requests_waiting"] = [(labels, [4.0] * 60)]
    action = propose(world, 2, 30.0)
    assert action is not None
    assert action.met is False
    assert "4 requests wait" in action.precondition


def test_nothing_idle_is_nothing_to_take(world: World) -> None:
    assert propose(world, 0, 30.0) is None
