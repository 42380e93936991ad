"""R18: by load, by prefix, or back to the cheaper model."""

from incident_scenes import World, incident_about, spending

from remediations.change_route import ChangeRoute
from vocabulary import failure_modes as f
from vocabulary.entities import ReplicaState


def test_a_skewed_pool_is_routed_by_load(world: World) -> None:
    world.series["requests_running"] = [
        ({"replica": one.entity.id, "pool": one.pool}, [40.0 if n == 0 else 10.0] * 15)
        for n, one in enumerate(world.replicas)
    ]
    incident = incident_about(f.LOAD_SKEW, world.replicas[0].entity)
    action = ChangeRoute().propose(incident, world.scene())
    assert action is not None
    assert "the busiest holds 40 requests and the mean is 20" in action.precondition
    assert '"routing_strategy": "least-busy"' in action.command
    assert '"routing_strategy": "simple-shuffle"' in action.undo
    assert "/router/settings" in action.dry_run


def test_there_is_nothing_to_choose_from_with_one_replica(world: World) -> None:
    for one in world.replicas[1:]:
        world.set_state(one.entity, ReplicaState.BLIND)
    incident = incident_about(f.LOAD_SKEW, world.replicas[0].entity)
    action = ChangeRoute().propose(incident, world.scene())
    assert action is not None
    assert action.met is False


def test_a_cold_cache_wants_equal_prompts_at_one_place(world: World) -> None:
    incident = incident_about(f.PREFIX_CACHE_COLLAPSE, world.replicas[0].entity)
    action = ChangeRoute().propose(incident, world.scene())
    assert action is not None
    assert "prefix" in action.command
    assert "prefix_cache" in action.verify


def test_calls_to_a_dear_model_go_back(world: World) -> None:
    moved = spending("acme").evolve(failure_mode=f.DEAR_MODEL_MIX, model="big")
    action = ChangeRoute().propose(moved, world.scene())
    assert action is not None
    assert action.title == "Route acme back from big"
    assert 'tenant="acme"' in action.verify
