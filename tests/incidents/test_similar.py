"""Which earlier incidents are called similar, in which order."""

from dataclasses import replace

from incident_scenes import NOON, incident_about, pool_entity, replica, rollout

from incidents.similar import MOST, similar
from vocabulary import failure_modes as f
from vocabulary.incidents import Activity, Incident, IncidentState

ONE = replica("prod/chat", 1).entity


def past(number: int, mode: f.FailureMode = f.ENGINE_STALLED, **more: object) -> Incident:
    made = incident_about(mode, ONE)
    lines = (Activity(NOON, "ada", "resolved", "restarted it"),)
    return replace(
        made, id=f"inc-{number}", state=IncidentState.RESOLVED, opened_at=NOON - number * 3600.0,
        resolved_at=NOON - number * 3600.0 + 600.0, activity=lines, **more,
    )  # fmt: skip


NOW = incident_about(f.ENGINE_STALLED, ONE, changes=(rollout(),))


def test_the_most_alike_comes_first_and_of_equals_the_newest() -> None:
    other = past(1, entity=pool_entity("prod/other"), pool="prod/other", model="m")
    found = similar(NOW, [other, past(3), past(2), past(4, changes=(rollout(),))])
    assert [one.incident.id for one in found] == ["inc-4", "inc-2", "inc-3", "inc-1"]
    assert "change rollout" in found[0].alike


def test_another_trouble_of_the_same_pool_is_not_similar() -> None:
    assert similar(NOW, [past(1, f.COST_SPIKE)]) == ()


def test_itself_what_goes_on_and_what_was_merged_are_left_out() -> None:
    left_out = [
        replace(past(1), id=NOW.id),
        replace(past(2), state=IncidentState.OPEN),
        replace(past(3), merged_into="inc-9"),
    ]
    assert similar(NOW, left_out) == ()


def test_the_order_in_which_they_are_given_does_not_matter_and_few_are_told() -> None:
    many = [past(number) for number in range(1, 20)]
    assert similar(NOW, many) == similar(NOW, reversed(many))
    assert len(similar(NOW, many)) == MOST
    assert similar(NOW, many)[0].ended == "restarted it"
