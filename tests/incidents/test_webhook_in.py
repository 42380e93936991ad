"""Alerts of other systems: taken once, bounded, and never taken for more than they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import NOON, Story, stalled

from incidents.webhook_in import MAX_ALERTS, AlertInbox, Held, as_finding
from vocabulary import failure_modes as f
from vocabulary.entities import EntityKind
from vocabulary.errors import RequestRefused
from vocabulary.failure_modes import Severity
from vocabulary.incidents import IncidentState


def an_alert(
    name: str = "KubePodCrashLooping", status: str = "firing", **labels: str
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "namespace": "prod", **labels},
        "annotations": {"summary": f"{name} is on"},
        "startsAt": "2025-11-25T11:50:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"fp-{name}-{sorted(labels.items())}",
    }


def hook(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "alerts": list(alerts), **more}


def test_a_foreign_alert_is_a_ticket_of_its_own_for_as_long_as_it_fires(story: Story) -> None:
    assert story.desk.alert_in(hook(an_alert())) == 1
    story.tick()
    incident = story.only()
    assert incident.failure_mode is f.UNCLASSIFIED
    assert incident.severity is Severity.WARNING
    assert "KubePodCrashLooping" in incident.title
    story.hold(1200)
    assert story.only().state is IncidentState.OPEN
    assert story.desk.alert_in(hook(an_alert(status="resolved"))) == 1
    story.hold(900)
    assert story.only().state is IncidentState.RESOLVED


def test_two_foreign_alerts_are_two_tickets(story: Story) -> None:
    story.desk.alert_in(hook(an_alert(), an_alert("NodeDown", node="n")))
    story.tick()
    assert len(story.incidents()) == 2


def test_a_foreign_alert_at_a_troubled_pool_is_context(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.desk.alert_in(hook(an_alert(node=first.node)))
    story.tick(stalled(first))
    incident = story.only()
    assert incident.failure_mode is f.ENGINE_STALLED
    assert any("KubePodCrashLooping" in line.text for line in incident.activity)


def test_an_alert_that_bears_our_word_is_that_failure_mode(story: Story) -> None:
    story.desk.alert_in(hook(an_alert("EngineStalled", pool="prod/chat")))
    story.tick()
    assert story.only().failure_mode is f.ENGINE_STALLED
    assert story.only().entity.kind is EntityKind.POOL


def test_the_same_webhook_twice_says_nothing_new(story: Story) -> None:
    body = hook(an_alert())
    assert [story.desk.alert_in(body) for _ in range(3)] == [1, 0, 0]


def test_a_late_repeat_does_not_revive_what_is_over(story: Story) -> None:
    story.desk.alert_in(hook(an_alert()))
    story.desk.alert_in(hook(an_alert(status="resolved")))
    assert story.desk.alert_in(hook(an_alert())) == 0
    again = {**an_alert(), "startsAt": "2025-11-25T13:00:00Z"}
    assert story.desk.alert_in(hook(again)) == 1


def test_our_own_alerts_coming_back_are_not_heard(story: Story) -> None:
    inbox = AlertInbox(story.records)
    assert inbox.receive(hook(an_alert("EngineStalled", source="tidegauge")), NOON) == 0
    assert inbox.echoes == 1
    assert inbox.findings(NOON) == []


def test_what_was_cut_off_is_counted(story: Story) -> None:
    inbox = AlertInbox(story.records)
    many = [an_alert(node=f"n{number}") for number in range(MAX_ALERTS + 5)]
    assert inbox.receive(hook(*many, truncatedAlerts=7), NOON) == MAX_ALERTS
    assert inbox.truncated == 12


def test_alerts_survive_a_restart_and_expire_when_nobody_repeats_them(story: Story) -> None:
    story.desk.alert_in(hook(an_alert()))
    story.restart()
    inbox = AlertInbox(story.records)
    assert len(inbox.findings(story.clock.moment)) == 1
    assert inbox.findings(story.clock.moment + 90_000) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"version": "3", "alerts": [an_alert()]},
        {"version": "4", "alerts": "many"},
        {"version": "4", "alerts": [an_alert(), {"labels": {}}]},
        {"version": "4", "alerts": [an_alert(), {"startsAt": "2025-11-25T11:50:00Z"}]},
        {"version": "4", "alerts": [an_alert(), None]},
        {"version": "4", "alerts": [an_alert(), {"labels": {}, "startsAt": "yesterday"}]},
    ],
)
def test_what_is_no_webhook_is_refused_whole(story: Story, body: dict[str, Any]) -> None:
    inbox = AlertInbox(story.records)
    with pytest.raises(RequestRefused):
        inbox.receive(body, NOON)
    assert inbox.findings(NOON) == []


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=400), max_size=80))
def test_hostile_labels_make_a_bounded_plain_finding(labels: dict[str, str]) -> None:
    held = Held("fp", NOON, NOON, {name: value[:300] for name, value in labels.items()}, "text")
    told = as_finding(held, NOON)
    assert told.failure_mode in f.ALL
    assert json.dumps(told.text)
    assert told.since <= NOON
