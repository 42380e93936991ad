"""R19: another pool of the same model answers, when there is one."""

from dataclasses import replace

from incident_scenes import World, incident_about

from remediations.fail_over import FailOver
from vocabulary import failure_modes as f
from vocabulary.actions import Action
from vocabulary.entities import ReplicaState


def propose(world: World) -> Action:
    incident = incident_about(f.CAPACITY_SHORTAGE, world.replicas[0].entity)
    action = FailOver().propose(incident, world.scene())
    assert action is not None
    return action


def add_twin(world: World, state: ReplicaState) -> None:
    twins = world.add_pool("prod/chat-west", 2)
    world.replicas = [
        replace(one, model="model-chat", state=state) if one in twins else one
        for one in world.replicas
    ]


def test_names_the_other_pool_of_the_model(world: World) -> None:
    add_twin(world, ReplicaState.IDLE)
    action = propose(world)
    assert action.met is True
    assert '"fallback_models": ["chat-west"]' in action.command
    assert "2 of 2 replicas work, 2 are idle" in action.precondition
    assert "-X DELETE" in action.undo
    assert "/fallback/model-chat" in action.undo


def test_a_pool_that_does_not_work_is_no_refuge(world: World) -> None:
    add_twin(world, ReplicaState.STALLED)
    assert propose(world).met is False


def test_without_another_pool_a_person_must_choose(world: World) -> None:
    action = propose(world)
    assert action.met is None
    assert action.command.startswith("By hand")
