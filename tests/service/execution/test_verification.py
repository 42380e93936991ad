"""Cured, not cured, cannot tell: by the card's own check, the incident's state and its deadline."""

import pytest
from execution_site import FIRST, Series, Site, lost
from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import NOON, World

from service.execution.plans import Standing
from service.execution.verification import Seen, baseline, look, verdict
from service.handover import owed
from vocabulary.actions import Check, Goal
from vocabulary.incidents import IncidentState

RECEIVER = "http://alertmanager"


def steps(site: Site, **by_pod: float) -> None:
    """What the replicas' engines do now."""
    site.world.series["engine_steps_per_second"] = [
        ({"replica": name, "pool": "prod/chat"}, [value]) for name, value in by_pod.items()
    ]


def calm(site: Site) -> None:
    site.keep(site.incident.evolve(state=IncidentState.MITIGATED))


def executed(site: Site, number: str = "R02") -> str:
    plan = site.approved(number)
    assert site.executor.execute(plan, FIRST)["state"] == "executed"
    return plan


def told(site: Site) -> list[str]:
    due = site.records.outbox.due(RECEIVER, site.clock.moment)
    return [one.body["annotations"]["summary"] for one in due]


def test_a_replacement_that_steps_in_a_calm_incident_is_a_cure(site: Site) -> None:
    steps(site, old=0.0, sibling=20.0)
    plan = executed(site)
    site.pass_time(60)
    assert site.state(plan) == "executed", "siblings that step are no cure"
    steps(site, sibling=20.0, new=18.0)
    site.pass_time(60)
    assert site.state(plan) == "executed", "users may still wait"
    calm(site)
    site.pass_time(60)
    assert site.state(plan) == "cured"
    assert told(site) == []
    said = site.records.get(site.incident.id).activity[-1]
    assert (said.who, said.what) == ("tidegauge", "action verified")
    assert said.text.startswith("R02 cured: engine_steps_per_second is 18")


def test_what_did_not_help_by_its_deadline_is_told_once_as_a_ticket_of_its_own(
    site: Site,
) -> None:
    steps(site, old=0.0, sibling=20.0)
    plan = executed(site)
    site.pass_time(15 * 60)
    assert site.state(plan) == "executed"
    site.pass_time(61)
    assert site.state(plan) == "not cured"
    assert told(site) == ["R02 did not help: Restart chat-0"]
    (notice,) = site.records.outbox.due(RECEIVER, site.clock.moment)
    assert notice.key == f"{site.incident.id}/{plan}/warning", "no second page of the incident"
    assert notice.body["labels"]["alertname"] == "ActionDidNotHelp"
    assert notice.body["labels"]["incident_id"] == site.incident.id
    site.pass_time(600)
    site.restart()
    site.pass_time(600)
    assert site.steps(plan).count("verified") == 1
    assert len(told(site)) == 1


def test_the_next_shift_hears_of_what_did_not_help_and_not_of_what_did(site: Site) -> None:
    def owes() -> list[str]:
        one = site.records.get(site.incident.id).evolve(state=IncidentState.ACKNOWLEDGED)
        return [line["text"] for line in owed([one], [], [], [], NOON, site.clock.moment)]

    site.executor.execute(site.approved("R09"), FIRST)
    assert owes() == []
    steps(site, old=0.0)
    site.pass_time(1)
    executed(site)
    assert owes() == ["R02 was approved by one: was it run, did it help?"]
    site.pass_time(16 * 60)
    (line,) = owes()
    assert line.startswith("R02 not cured: nothing new is seen")


def test_a_check_that_holds_while_the_incident_goes_on_is_no_cure(site: Site) -> None:
    steps(site, old=0.0)
    plan = executed(site)
    steps(site, new=20.0)
    site.pass_time(16 * 60)
    assert site.state(plan) == "not cured"
    said = site.records.get(site.incident.id).activity[-1].text
    assert "the check holds, and the incident goes on" in said


def test_nothing_seen_is_no_cure_and_no_failure(site: Site) -> None:
    steps(site, old=0.0)
    plan = executed(site)
    site.world.series.clear()
    calm(site)
    site.pass_time(16 * 60)
    assert site.state(plan) == "cannot tell"
    assert "blind: nothing is seen" in site.records.get(site.incident.id).activity[-1].text
    assert told(site) == []


def test_what_is_perhaps_done_is_checked_as_well(site: Site) -> None:
    steps(site, old=0.0)
    plan = site.approved()
    site.cluster.after = lost
    assert site.executor.execute(plan, FIRST)["state"] == "unknown"
    assert told(site) == ["R02 is perhaps done: check it: Restart chat-0"]
    steps(site, new=9.0)
    calm(site)
    site.pass_time(60)
    assert site.state(plan) == "cured"


def test_an_object_that_shows_it_needs_no_signal(site: Site) -> None:
    told_now = site.executor.execute(site.approved("R09"), FIRST)
    assert (told_now["state"], told_now["check"]) == ("cured", "nodes node-chat-0 shows it")


def rows(**by_name: float) -> Series:
    world = World()
    world.series["requests_waiting"] = [
        ({"replica": name, "pool": "p"}, [value]) for name, value in by_name.items()
    ]
    return Series(world)


@pytest.mark.parametrize(
    ("goal", "bound", "before", "now", "holds"),
    [
        (Goal.ABOVE, 0.0, {"a": 1.0}, {"a": 1.0, "b": 2.0}, True),
        (Goal.ABOVE, 0.0, {"a": 1.0}, {"a": 0.0, "b": 2.0}, False),
        (Goal.AT_MOST, 0.0, {"a": 1.0}, {"a": 0.0}, True),
        (Goal.AT_MOST, 0.0, {"a": 1.0}, {"a": 0.0, "b": 0.1}, False),
        (Goal.REPLACED, 0.0, {"a": 1.0}, {"a": 5.0}, False),
        (Goal.REPLACED, 0.0, {"a": 1.0}, {"b": 5.0}, True),
        (Goal.REPLACED, 0.0, {"a": 1.0}, {"b": 0.0}, False),
        (Goal.FALLS, 0.8, {"a": 10.0}, {"a": 4.0, "b": 4.0}, True),
        (Goal.FALLS, 0.8, {"a": 10.0}, {"a": 9.0}, False),
        (Goal.NOT_LOWER, 0.0, {"a": 4.0}, {"a": 4.0}, True),
        (Goal.NOT_LOWER, 0.0, {"a": 4.0}, {"a": 3.0}, False),
        (Goal.NOT_HIGHER, 0.0, {"a": 4.0}, {"a": 4.0, "b": 1.0}, True),
        (Goal.NOT_HIGHER, 0.0, {"a": 4.0}, {"b": 5.0}, False),
        (Goal.AS_BEFORE, 0.1, {"a": 1.0, "b": 3.0}, {"a": 2.2}, True),
        (Goal.AS_BEFORE, 0.1, {"a": 1.0, "b": 3.0}, {"a": 2.3}, False),
        (Goal.FALLS, 0.8, {}, {"a": 1.0}, None),
        (Goal.ABOVE, 0.0, {"a": 1.0}, {}, None),
    ],
)
def test_each_goal_is_judged_by_what_it_says(
    goal: Goal, bound: float, before: dict[str, float], now: dict[str, float], holds: bool | None
) -> None:
    check = Check(goal, 15.0, "requests_waiting", "pool", "p", bound)
    known = baseline(rows(**before), check, NOON, NOON)
    assert look(rows(**now), check, known, NOON).holds is holds


SEEN = st.sampled_from([Seen(True, "x"), Seen(False, "x"), Seen(None, "x")])


@given(SEEN, st.booleans(), st.booleans(), st.booleans())
def test_there_is_an_end_to_every_check_and_no_cure_without_seeing(
    seen: Seen, lasting: bool, calm_now: bool, over: bool
) -> None:
    check = Check(Goal.AT_MOST, 5.0, "requests_waiting", "pool", "p", lasting=lasting)
    found = verdict(check, seen, calm=calm_now, over=over)
    assert (found is not None) or not over
    if found is not None:
        assert (found[0] is Standing.CURED) <= (seen.holds is True)
        assert (found[0] is Standing.CANNOT_TELL) == (seen.holds is None)
    assert verdict(None, seen, calm=calm_now, over=over) is None or over
