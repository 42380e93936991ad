"""R03: the change that came just before is undone."""

from incident_scenes import World, incident_about, rollout

from remediations.roll_back import RollBack
from vocabulary import failure_modes as f


def test_names_the_change_and_how_long_before_the_onset_it_was(world: World) -> None:
    incident = incident_about(
        f.THROUGHPUT_REGRESSION, world.replicas[0].entity, changes=(rollout(-240.0),)
    )
    action = RollBack().propose(incident, world.scene())
    assert action is not None
    assert "0.32.0 → 0.33.0" in action.title
    assert "4 min before the onset" in action.precondition
    assert action.command == "kubectl rollout undo deployment/chat --namespace=prod"
    assert "| kubectl diff --filename=-" in action.dry_run
    assert action.met is None


def test_has_nothing_to_undo_without_a_change(world: World) -> None:
    incident = incident_about(f.THROUGHPUT_REGRESSION, world.replicas[0].entity)
    assert RollBack().propose(incident, world.scene()) is None


def test_does_not_blame_a_scaling_act(world: World) -> None:
    incident = incident_about(
        f.THROUGHPUT_REGRESSION, world.replicas[0].entity, changes=(rollout(kind="scale"),)
    )
    assert RollBack().propose(incident, world.scene()) is None


def test_is_refused_for_a_change_that_is_days_old(world: World) -> None:
    incident = incident_about(
        f.THROUGHPUT_REGRESSION, world.replicas[0].entity, changes=(rollout(-200_000.0),)
    )
    action = RollBack().propose(incident, world.scene())
    assert action is not None
    assert action.met is False
