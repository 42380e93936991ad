"""R23: one incident is kept quiet while somebody works on it."""

from incident_scenes import NOON, World, incident_about

from remediations.silence import Silence
from vocabulary import failure_modes as f
from vocabulary.incidents import IncidentState


def test_matches_this_incident_and_nothing_else(world: World) -> None:
    incident = incident_about(f.ENGINE_STALLED, world.replicas[0].entity)
    action = Silence().propose(incident, world.scene())
    assert action is not None
    assert action.command == "tidegauge incidents silence inc-0123456789ab --minutes 120"
    assert "incident_id=inc-0123456789ab" in action.dry_run


def test_has_nothing_to_offer_once_it_is_silenced_or_over(world: World) -> None:
    incident = incident_about(f.ENGINE_STALLED, world.replicas[0].entity)
    assert Silence().propose(incident.evolve(silenced_until=NOON + 60), world.scene()) is None
    over = incident.evolve(state=IncidentState.RESOLVED)
    assert Silence().propose(over, world.scene()) is None
