"""What a case leaves behind of its incidents: those that are left, and how often each was told."""

from incident_scenes import NOON, incident_about, pool_entity

from service.drill.record import incidents
from vocabulary import failure_modes as f
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Activity, Incident


def told(name: str, *whats: str, into: str = "", severity: Severity = Severity.WARNING) -> Incident:
    activity = tuple(Activity(NOON, "tidegauge", what) for what in ("opened", *whats))
    about = incident_about(f.ERROR_BURST, pool_entity(), activity=activity)
    return about.evolve(id=name, merged_into=into, severity=severity)


def firing(*found: Incident) -> dict[str, int]:
    return {one["id"]: one["firing"] for one in incidents(found)}


def test_what_was_merged_away_counts_for_the_incident_that_took_it_in_in_the_end() -> None:
    first = told("inc-1", "ticketed", into="inc-2")
    second = told("inc-2", "ticketed", into="inc-3")
    third = told("inc-3", "ticketed", "paged", severity=Severity.CRITICAL)
    assert firing(first, second, third, told("inc-4", "paged")) == {"inc-3": 4, "inc-4": 1}


def test_context_is_left_out_unless_somebody_was_told() -> None:
    quiet, loud = told("inc-1", severity=Severity.INFO), told("inc-2", "paged", into="inc-3")
    assert firing(quiet, loud, told("inc-3", severity=Severity.INFO)) == {"inc-3": 1}


def test_a_circle_and_a_survivor_that_is_not_known_end_nothing_but_their_own_count() -> None:
    first, second = told("inc-1", into="inc-2"), told("inc-2", into="inc-1")
    assert firing(first, second, told("inc-3", "paged", into="inc-9")) == {}
