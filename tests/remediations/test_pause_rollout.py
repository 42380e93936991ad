"""R24: a rollout stops half-way."""

from dataclasses import replace

from incident_scenes import World, incident_about, rollout

from remediations.pause_rollout import PauseRollout
from vocabulary import failure_modes as f


def test_is_sure_when_two_versions_are_seen(world: World) -> None:
    world.replicas[2] = replace(world.replicas[2], version="0.33.0")
    incident = incident_about(f.ENGINE_DEAD, world.replicas[2].entity, changes=(rollout(),))
    action = PauseRollout().propose(incident, world.scene())
    assert action is not None
    assert action.command == "kubectl rollout pause deployment/chat --namespace=prod"
    assert action.met is True
    assert "0.32.0, 0.33.0" in action.precondition


def test_comes_too_late_when_every_replica_has_the_new_version(world: World) -> None:
    incident = incident_about(f.ENGINE_DEAD, world.replicas[2].entity, changes=(rollout(),))
    action = PauseRollout().propose(incident, world.scene())
    assert action is not None
    assert action.met is False


def test_is_not_offered_hours_later(world: World) -> None:
    incident = incident_about(f.ENGINE_DEAD, world.replicas[2].entity, changes=(rollout(-7200.0),))
    assert PauseRollout().propose(incident, world.scene()) is None
