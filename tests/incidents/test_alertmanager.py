"""Telling Alertmanager: at least once, late rather than never, and never under another clock."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import NOON, Story, finding, gpu_of, stalled

from incidents.alertmanager import (
    Alertmanager,
    AlertmanagerSettings,
    accepted,
    alert,
    closing,
    failed,
)
from incidents.settings import DeskSettings
from store.outbox import Notice
from vocabulary import failure_modes as f
from vocabulary.failure_modes import Severity
from vocabulary.incidents import from_rfc3339

A, B = "http://a.example:9093", "http://b.example:9093"
SETTINGS = AlertmanagerSettings()


@dataclass
class Peers:
    """Alertmanagers as our client sees them."""

    up: bool = True
    poison: str = ""
    """An alert with this name is refused, as a bad one would be."""
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    silences: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    redirect: bool = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not self.up:
            raise httpx2.ConnectError("refused", request=request)
        if self.redirect:
            return httpx2.Response(307, headers={"location": "http://evil.example/"})
        host = str(request.url.copy_with(path="/", query=None)).rstrip("/")
        if request.url.path == "/api/v2/alerts":
            return self._alerts(host, json.loads(request.content))
        mine = self.silences.setdefault(host, [])
        if request.method == "POST":
            mine.append(json.loads(request.content))
            return httpx2.Response(200, json={"silenceID": "x"})
        return httpx2.Response(200, json=mine)

    def _alerts(self, host: str, alerts: list[dict[str, Any]]) -> httpx2.Response:
        if any(one["labels"]["alertname"] == self.poison for one in alerts):
            return httpx2.Response(400, text="bad alert")
        self.posted += [(host, one) for one in alerts]
        return httpx2.Response(200)

    def of(self, host: str) -> list[dict[str, Any]]:
        return [one for where, one in self.posted if where == host]


class Told(Story):
    """A desk whose incidents are told to two peers."""

    def __init__(self, path: Path, *, live: bool = True) -> None:
        settings = DeskSettings(runbook_base="https://docs.example/runbooks/", ticket_seconds=0.0)
        super().__init__(path, receivers=(A, B) if live else (), settings=settings)
        self.peers = Peers()
        self.live = live
        self.alertmanager = self.connect()

    def connect(self) -> Alertmanager:
        client = httpx2.Client(transport=httpx2.MockTransport(self.peers))
        return Alertmanager((A, B, A), self.records, self.clock, live=self.live, client=client)

    def restart(self) -> None:
        super().restart()
        self.alertmanager = self.connect()

    def deliver(self, after: float = 0.0) -> int:
        self.clock.moment += after
        return sum(self.alertmanager.deliver(peer) for peer in self.alertmanager.receivers)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "control.sqlite")
    yield made
    made.records.close()


def firing(one: dict[str, Any], at: float) -> bool:
    return (from_rfc3339(one["endsAt"]) or 0.0) > at


def test_every_peer_is_addressed_and_each_only_once(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    assert told.deliver() == 2
    assert told.deliver() == 0
    assert len(told.peers.of(A)) == len(told.peers.of(B)) == 1


def test_labels_identify_and_annotations_carry_what_changes(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.deliver()
    (one,) = told.peers.of(A)
    incident = told.only()
    assert one["labels"] == {
        "alertname": "EngineStalled",
        "severity": "critical",
        "namespace": "prod",
        "pool": "prod/chat",
        "model": "model-chat",
        "code": "F01",
        "incident_class": "errors",
        "incident_id": incident.id,
        "source": "tidegauge",
    }
    assert one["annotations"]["description"] == incident.headline
    assert one["annotations"]["runbook_url"] == "https://docs.example/runbooks/EngineStalled.md"
    assert incident.id in one["generatorURL"]
    assert "late" not in one["annotations"]


def test_hardware_alerts_name_their_node_so_that_it_can_inhibit(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(finding(f.STRAGGLER_GPU, gpu_of(first), severity=Severity.WARNING))
    told.deliver()
    assert told.peers.of(A)[0]["labels"]["node"] == "node-chat-0"


def test_a_firing_alert_is_sent_again_before_it_would_end(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.deliver()
    ends = [from_rfc3339(told.peers.of(A)[0]["endsAt"]) or 0.0]
    for _ in range(40):
        told.tick(stalled(first, told.clock.moment))
        assert told.clock.moment < ends[-1]
        told.deliver()
        ends.append(from_rfc3339(told.peers.of(A)[-1]["endsAt"]) or 0.0)
    assert ends == sorted(ends)
    assert len({json.dumps(one["labels"]) for one in told.peers.of(A)}) == 1
    assert len({one["startsAt"] for one in told.peers.of(A)}) == 1


def test_a_resolved_alert_is_sent_for_five_minutes_and_then_no_more(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.deliver()
    told.hold(900)
    over = told.only().resolved_at or 0.0
    sent = []
    for _ in range(60):
        told.deliver(after=15.0)
        sent = [one for one in told.peers.of(A) if not firing(one, told.clock.moment - 400)]
    closes = [one for one in told.peers.of(A) if (from_rfc3339(one["endsAt"]) or 0.0) <= over]
    assert sent
    assert 5 <= len(closes) <= 8
    assert told.records.outbox.due(A, told.clock.moment + 1e9) == []


def test_what_ended_before_a_peer_came_back_is_announced_first_and_marked_late(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.peers.up = False
    told.tick(stalled(first))
    told.deliver()
    for _ in range(60):
        told.tick()
        told.deliver()
    assert told.only().resolved_at is not None
    told.peers.up = True
    told.deliver(after=10.0)
    (one,) = told.peers.of(A)
    assert firing(one, told.clock.moment)
    assert one["annotations"]["summary"].startswith("LATE: ")
    assert "late" in one["annotations"]["late"]
    for _ in range(30):
        told.deliver(after=15.0)
    ends = [firing(one, told.clock.moment) for one in told.peers.of(A)[-2:]]
    assert ends == [False, False]
    held = [one for one in told.peers.of(A) if "late" in one["annotations"]]
    assert len(held) == len(told.peers.of(A)), "it is late to the end"
    notified = [line for line in told.only().activity if line.what == "notified"]
    assert len(notified) == 2
    assert "late by" in notified[0].text


def test_what_still_fires_is_told_within_ten_seconds_of_a_peers_return(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.peers.up = False
    told.tick(stalled(first))
    for _ in range(600):
        told.deliver(after=1.0)
    told.peers.up = True
    for _ in range(10):
        told.deliver(after=1.0)
    assert told.peers.of(A)
    assert told.peers.of(B)


def test_a_peer_that_is_away_does_not_keep_the_other_waiting(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.peers.up = False
    told.alertmanager.deliver(A)
    told.peers.up = True
    assert told.alertmanager.deliver(B) == 1
    assert told.alertmanager.waiting() == {A: 1, B: 0}


def test_nothing_is_forgotten_over_a_restart(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.peers.up = False
    told.tick(stalled(first))
    told.deliver()
    told.restart()
    told.peers.up = True
    assert told.deliver(after=10.0) == 2


def test_a_raised_severity_is_another_alert_and_the_old_one_ends(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first, severity=Severity.WARNING))
    told.deliver()
    told.tick(stalled(first))
    told.deliver()
    for _ in range(60):
        told.tick(stalled(first, told.clock.moment))
        told.deliver()
    last = {one["labels"]["severity"]: one for one in told.peers.of(A)}
    assert firing(last["critical"], told.clock.moment)
    assert not firing(last["warning"], told.clock.moment)


def test_the_name_of_an_alert_stays_when_its_cause_is_found_later(told: Told) -> None:
    first, *_ = told.world.add_pool()
    symptom = finding(f.LATENCY_BURN, first, severity=Severity.WARNING)
    told.tick(symptom)
    told.deliver()
    told.tick(symptom, stalled(first, severity=Severity.WARNING))
    told.deliver()
    assert told.only().failure_mode is f.ENGINE_STALLED
    names = {one["labels"]["alertname"] for one in told.peers.of(A)}
    assert names == {"LatencyBurn"}, "another name would be another page"
    assert "engine stalled" in told.peers.of(A)[-1]["annotations"]["description"].lower()


def test_one_alert_that_is_refused_does_not_hold_up_the_others(told: Told) -> None:
    chat, code = told.world.add_pool()[0], told.world.add_pool("prod/code")[0]
    told.peers.poison = "EngineDead"
    told.tick(stalled(chat), finding(f.ENGINE_DEAD, code))
    told.deliver()
    assert [one["labels"]["alertname"] for one in told.peers.of(A)] == ["EngineStalled"]
    assert told.alertmanager.counts[A, "refused"] == 1
    told.deliver(after=10.0)
    assert told.alertmanager.counts[A, "refused"] == 1, "it is not tried for ever"


def test_a_redirect_is_not_followed(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.peers.redirect = True
    told.tick(stalled(first))
    assert told.deliver() == 0
    assert told.alertmanager.waiting() == {A: 1, B: 1}


def test_context_is_not_told(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first, severity=Severity.INFO))
    assert told.deliver() == 0


def test_nothing_is_sent_under_another_clock(tmp_path: Path) -> None:
    drill = Told(tmp_path / "control.sqlite", live=False)
    first, *_ = drill.world.add_pool()
    drill.tick(stalled(first))
    assert drill.alertmanager.receivers == ()
    assert drill.deliver() == 0
    assert drill.peers.posted == []
    assert drill.only().severity is Severity.CRITICAL
    drill.records.close()


def test_a_silence_reaches_every_peer_once_and_matches_this_incident_alone(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    incident = told.desk.silence(told.only().id, "ann", 3600, "known")
    for _ in range(10):
        told.deliver(after=30.0)
    for peer in (A, B):
        (one,) = told.peers.silences[peer]
        assert one["matchers"] == [
            {"name": "incident_id", "value": incident.id, "isRegex": False, "isEqual": True}
        ]
        assert one["createdBy"] == "ann"


def test_a_silence_that_a_killed_peer_forgot_is_made_again_before_any_alert(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.desk.silence(told.only().id, "ann", 3600, "known")
    told.deliver()
    told.peers.up = False
    told.deliver(after=61.0)
    told.peers.silences.clear()
    told.peers.up = True
    before = len(told.peers.posted)
    told.deliver(after=6.0)
    assert len(told.peers.silences[A]) == 1
    assert len(told.peers.posted) > before


def test_a_silence_that_a_person_ended_there_stays_ended(told: Told) -> None:
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.desk.silence(told.only().id, "ann", 3600, "known")
    told.deliver()
    for silences in told.peers.silences.values():
        silences[0]["status"] = {"state": "expired"}
    told.deliver(after=120.0)
    assert [len(one) for one in told.peers.silences.values()] == [1, 1]


BODY = {"labels": {"alertname": "X"}, "annotations": {}, "startsAt": "2025-11-25T12:00:00.000Z"}


@given(
    st.lists(st.tuples(st.floats(1.0, 120.0), st.booleans()), max_size=60), st.floats(0.0, 3000.0)
)
def test_an_alert_is_announced_as_firing_before_it_is_ever_closed(
    attempts: list[tuple[float, bool]], ends_after: float
) -> None:
    """Whatever comes between, each peer hears firing first, long enough, and then the end."""
    notice = Notice(A, "inc/critical", BODY, NOON, NOON)
    now, fired_from, heard_end = NOON, None, False
    for step, works in attempts:
        now += step
        if notice.resolved_at is None and now >= NOON + ends_after:
            notice = replace(notice, resolved_at=now)
        if notice.due_at > now or notice.settled_at is not None:
            continue
        sent = alert(notice, now, SETTINGS)
        if not works:
            notice = failed(notice, now, "refused", SETTINGS)
            assert notice.due_at <= now + SETTINGS.retry_seconds
            continue
        if firing(sent, now):
            assert not heard_end
            fired_from = now if fired_from is None else fired_from
        else:
            heard_end = True
            assert fired_from is not None
            assert now - fired_from >= SETTINGS.hold_seconds
            assert closing(notice, now, SETTINGS)
        notice = accepted(notice, now, SETTINGS)
        assert notice.due_at <= now + SETTINGS.resend_seconds
    if fired_from is not None:
        assert notice.accepted_at == fired_from


def test_threads_deliver_and_stop(make_story: Callable[..., Story]) -> None:
    import time

    story = make_story(receivers=(A,))
    first, *_ = story.world.add_pool()
    peers = Peers()
    client = httpx2.Client(transport=httpx2.MockTransport(peers))
    settings = AlertmanagerSettings(poll_seconds=0.01)
    alertmanager = Alertmanager(
        (A,), story.records, story.clock, live=True, client=client, settings=settings
    )
    alertmanager.start()
    story.tick(stalled(first))
    deadline = time.monotonic() + 10.0
    while not peers.posted and time.monotonic() < deadline:
        time.sleep(0.01)
    alertmanager.stop()
    assert len(peers.posted) == 1
