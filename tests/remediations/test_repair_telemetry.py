"""R22: why a target is not read."""

from incident_scenes import World, incident_about

from remediations.repair_telemetry import RepairTelemetry
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind


def test_reads_the_page_by_hand_and_looks_at_what_leads_to_it(world: World) -> None:
    incident = incident_about(f.TARGET_HUNG, world.replicas[0].entity)
    action = RepairTelemetry().propose(incident, world.scene())
    assert action is not None
    assert action.command.startswith(
        "curl -sS --max-time 5 --output /dev/null http://10.0.0.0:8000/metrics ; kubectl get"
    )


def test_never_curls_what_is_no_url(world: World) -> None:
    target = Entity(EntityKind.TARGET, "--config=/etc/passwd")
    action = RepairTelemetry().propose(
        incident_about(f.TARGETS_GONE, target, pool="", model=""), world.scene()
    )
    assert action is not None
    assert action.command == "tidegauge doctor"
