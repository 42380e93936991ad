"""R04: one replica more, where a GPU is free."""

from incident_scenes import World, incident_about

from remediations.add_capacity import AddCapacity
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind, Gpu


def test_asks_for_one_replica_more_than_there_is(world: World) -> None:
    incident = incident_about(f.KV_EXHAUSTION, world.replicas[0].entity)
    action = AddCapacity().propose(incident, world.scene())
    assert action is not None
    assert action.command == (
        "kubectl scale deployment/chat --namespace=prod --current-replicas=3 --replicas=4"
    )
    assert action.undo.endswith("--replicas=3")
    assert action.met is None, "no free GPU is seen, and one may be provisioned"


def test_is_sure_when_a_free_gpu_is_seen(world: World) -> None:
    scene = world.scene()
    spare = Gpu(Entity(EntityKind.GPU, "GPU-spare"), "node-x", 0, "H100", (), world.now)
    scene = type(scene)(scene.now, scene.frame, scene.replicas, (*scene.gpus, spare))
    action = AddCapacity().propose(incident_about(f.KV_EXHAUSTION, world.replicas[0].entity), scene)
    assert action is not None
    assert action.met is True
