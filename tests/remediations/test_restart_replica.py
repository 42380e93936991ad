"""R02: one replica is restarted, its log saved first."""

import dataclasses

import pytest
from incident_scenes import World, incident_about

from remediations.restart_replica import RestartReplica
from vocabulary import failure_modes as f
from vocabulary.entities import ReplicaState


def test_saves_the_log_before_it_deletes_the_pod(world: World) -> None:
    incident = incident_about(f.ENGINE_DEAD, world.replicas[1].entity)
    action = RestartReplica().propose(incident, world.scene())
    assert action is not None
    assert action.command == (
        "kubectl logs pod/chat-1 --namespace=prod --all-containers > chat-1.log"
        " && kubectl delete pod/chat-1 --namespace=prod"
    )
    assert action.dry_run == "kubectl delete pod/chat-1 --namespace=prod --dry-run=server"
    assert "within 16 min" in action.verify


def test_counts_other_replicas_of_the_incident_as_lost(world: World) -> None:
    first, second, _ = world.replicas
    incident = incident_about(f.ENGINE_STALLED, first.entity, second.entity)
    action = RestartReplica().propose(incident, world.scene())
    assert action is not None
    assert action.precondition.startswith("leaves 1 of 3")


@pytest.mark.parametrize(
    ("state", "met"),
    [(ReplicaState.STALLED, True), (ReplicaState.BLIND, None), (ReplicaState.SERVING, False)],
)
def test_the_last_replica_may_go_when_it_serves_nothing(
    world: World, state: ReplicaState, met: bool | None
) -> None:
    first = dataclasses.replace(world.replicas[0], state=state)
    scene = dataclasses.replace(world.scene(), replicas=(first,))
    action = RestartReplica().propose(incident_about(f.ENGINE_STALLED, first.entity), scene)
    assert action is not None
    assert action.precondition.startswith("leaves 0 of 1")
    assert action.met is met
