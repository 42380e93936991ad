"""Killed between a tick and its page, the desk loses neither the incident nor the page."""

import multiprocessing
import multiprocessing.connection
import os
import signal
from pathlib import Path

import httpx2
import pytest
from incident_scenes import Story, stalled

from incidents.alertmanager import Alertmanager
from vocabulary.incidents import IncidentState

PEER = "http://am.example:9093"


def _tick_and_acknowledge(path: Path, told: multiprocessing.connection.Connection) -> None:
    """Open, acknowledge, silence; say so after each; never send a page; wait to be killed."""
    story = Story(path, receivers=(PEER,))
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    told.send("opened")
    incident = story.only()
    story.desk.acknowledge(incident.id, "ann", idempotency_key="ack-1")
    told.send("acknowledged")
    story.desk.silence(incident.id, "ann", 600.0, "known", idempotency_key="silence-1")
    told.send("silenced")
    while True:
        told.send(story.desk.note(incident.id, "ann", "still looking").activity[-1].what)


@pytest.mark.parametrize("answers", [1, 2, 3, 9])
def test_a_kill_loses_no_acknowledged_act_and_no_page(tmp_path: Path, answers: int) -> None:
    path = tmp_path / "control.sqlite"
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(
        target=_tick_and_acknowledge, args=(path, theirs)
    )
    child.start()
    theirs.close()
    heard = [ours.recv() for _ in range(answers)]
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while True:
        try:
            heard.append(ours.recv())
        except EOFError:
            break
    ours.close()

    story = Story(path, receivers=(PEER,))
    story.clock.moment += 60.0
    incident = story.only()
    whats = [line.what for line in incident.activity]
    assert story.records.lost == 0
    assert story.records.broken_link() is None
    assert whats.count("note") >= heard.count("note")
    if "acknowledged" in heard:
        assert incident.state is IncidentState.ACKNOWLEDGED
        before = len(whats)
        story.desk.acknowledge(incident.id, "ann", idempotency_key="ack-1")
        assert len(story.only().activity) == before, "the retried request acts once"
    if "silenced" in heard:
        assert story.records.silences(story.clock.moment)

    posted: list[bytes] = []

    def alertmanager(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/v2/alerts":
            posted.append(request.content)
        return httpx2.Response(200, json=[])

    client = httpx2.Client(transport=httpx2.MockTransport(alertmanager))
    sender = Alertmanager((PEER,), story.records, story.clock, live=True, client=client)
    assert sender.deliver(PEER) == 1
    assert incident.id.encode() in posted[0]
    story.records.close()
