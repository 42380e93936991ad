"""R05: the busiest caller is limited so that the others get through."""

from incident_scenes import World, incident_about, pool_entity

from remediations.shed_load import ShedLoad
from vocabulary import failure_modes as f


def test_halves_the_calls_of_the_busiest_tenant_on_this_model(world: World) -> None:
    action = ShedLoad().propose(incident_about(f.RETRY_STORM, pool_entity()), world.scene())
    assert action is not None
    assert '"key": "acme"' in action.command
    assert '"model_rpm_limit": {"model-chat": 90}' in action.command
    assert "75% of the calls" in action.precondition


def test_has_no_plan_when_nobody_knows_who_calls(world: World) -> None:
    world.series.clear()
    assert ShedLoad().propose(incident_about(f.RETRY_STORM, pool_entity()), world.scene()) is None
