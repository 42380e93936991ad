"""Against real Alertmanagers, oldest and newest: received, grouped, resolved, silenced, late."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from incident_scenes import Story, stalled
from rigs import alertmanager as rig
from rigs.processes import free_port, wait_until

from incidents.alertmanager import Alertmanager, AlertmanagerSettings
from service.clock import WallClock

pytestmark = pytest.mark.integration

QUICK = AlertmanagerSettings(
    resend_seconds=2.0,
    ends_after_seconds=30.0,
    resolved_seconds=6.0,
    hold_seconds=6.0,
    late_seconds=1.0,
    retry_seconds=1.0,
    poll_seconds=0.2,
    timeout_seconds=3.0,
)


class Hook:
    """A webhook receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.told.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def alerts(self, status: str) -> list[dict[str, Any]]:
        return [one for body in self.told for one in body["alerts"] if one["status"] == status]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class RealStory(Story):
    """A desk under the wall's clock that tells real peers."""

    def __init__(self, path: Path, peers: tuple[str, ...]) -> None:
        super().__init__(path, receivers=peers)
        self.clock.moment = WallClock().now()
        self.sender = Alertmanager(peers, self.records, WallClock(), live=True, settings=QUICK)
        self.sender.start()

    def open(self) -> str:
        """A stalled engine, found now."""
        first, *_ = self.world.add_pool()
        self.clock.moment = WallClock().now()
        self.tick(stalled(first, self.clock.moment), after=0.0)
        return self.only().id

    def end(self) -> None:
        """A person resolves it."""
        self.clock.moment = WallClock().now()
        self.desk.resolve(self.only().id, "ann")

    def close(self) -> None:
        self.sender.stop()
        self.records.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def tell(tmp_path: Path) -> Iterator[Callable[..., RealStory]]:
    made: list[RealStory] = []

    def start(*peers: str) -> RealStory:
        made.append(RealStory(tmp_path / f"control-{len(made)}.sqlite", peers))
        return made[-1]

    yield start
    for one in made:
        one.close()


def listed(url: str, path: str) -> list[dict[str, Any]]:
    answer = httpx2.get(f"{url}/api/v2/{path}", trust_env=False)
    return list(answer.json())


@pytest.mark.parametrize("release", rig.RELEASES)
def test_an_incident_is_received_grouped_notified_and_resolved(
    release: str, hook: Hook, tell: Callable[..., RealStory]
) -> None:
    with rig.serve(rig.webhook_config(hook.url), release=release) as server:
        story = tell(server.url)
        incident_id = story.open()
        assert wait_until(lambda: bool(hook.alerts("firing")), timeout_seconds=20)
        (page,) = hook.alerts("firing")
        assert page["labels"]["alertname"] == "EngineStalled"
        assert page["labels"]["incident_id"] == incident_id
        assert page["annotations"]["description"] == story.only().headline
        assert "late" not in page["annotations"]
        groups = listed(server.url, "alerts/groups")
        assert sum(len(group["alerts"]) for group in groups) == 1
        time.sleep(3.0 * QUICK.resend_seconds)
        assert len(hook.alerts("firing")) == 1, "sending it again is no second page"
        story.end()
        assert wait_until(lambda: bool(hook.alerts("resolved")), timeout_seconds=30)
        assert hook.alerts("resolved")[0]["labels"]["incident_id"] == incident_id


@pytest.mark.parametrize("release", rig.RELEASES)
def test_what_ended_while_alertmanager_was_away_is_notified_late_and_then_resolved(
    release: str, hook: Hook, tell: Callable[..., RealStory]
) -> None:
    port = free_port()
    story = tell(f"http://127.0.0.1:{port}")
    incident_id = story.open()
    time.sleep(2.0)
    story.end()
    assert story.sender.waiting() == {f"http://127.0.0.1:{port}": 1}
    flags = [f"--web.listen-address=127.0.0.1:{port}"]
    with rig.serve(rig.webhook_config(hook.url), release=release, flags=flags):
        back = time.monotonic()
        assert wait_until(lambda: bool(hook.alerts("firing")), timeout_seconds=20)
        assert time.monotonic() - back <= 10.0
        (page,) = hook.alerts("firing")
        assert page["labels"]["incident_id"] == incident_id
        assert page["annotations"]["summary"].startswith("LATE: ")
        assert wait_until(lambda: bool(hook.alerts("resolved")), timeout_seconds=30)
    assert any("late by" in line.text for line in story.only().activity)


def test_what_still_fires_is_notified_within_ten_seconds_of_the_return(
    hook: Hook, tell: Callable[..., RealStory]
) -> None:
    port = free_port()
    story = tell(f"http://127.0.0.1:{port}")
    story.open()
    time.sleep(3.0)
    flags = [f"--web.listen-address=127.0.0.1:{port}"]
    with rig.serve(rig.webhook_config(hook.url), flags=flags):
        back = time.monotonic()
        assert wait_until(lambda: bool(hook.alerts("firing")), timeout_seconds=20)
        assert time.monotonic() - back <= 10.0


@pytest.mark.parametrize("release", rig.RELEASES)
def test_a_silence_suppresses_it_and_survives_the_loss_of_alertmanagers_memory(
    release: str, hook: Hook, tell: Callable[..., RealStory]
) -> None:
    with rig.serve(rig.webhook_config(hook.url), release=release) as server:
        story = tell(server.url)
        incident_id = story.open()
        story.desk.silence(incident_id, "ann", 600.0, "known")
        assert wait_until(lambda: bool(listed(server.url, "silences")), timeout_seconds=15)
        assert wait_until(
            lambda: (
                [one["status"]["state"] for one in listed(server.url, "alerts")] == ["suppressed"]
            ),
            timeout_seconds=15,
        )
        (silence,) = listed(server.url, "silences")
        assert silence["createdBy"] == "ann"
        time.sleep(3.0 * QUICK.resend_seconds)
        assert len(listed(server.url, "silences")) == 1
    with rig.serve(rig.webhook_config(hook.url), release=release) as forgetful:
        again = tell(forgetful.url)
        again.records.save(silences=story.records.silences(WallClock().now()))
        assert wait_until(lambda: bool(listed(forgetful.url, "silences")), timeout_seconds=15)


def test_a_killed_alertmanager_does_not_page_again_for_what_was_silenced(
    hook: Hook, tell: Callable[..., RealStory]
) -> None:
    port = free_port()
    url, flags = f"http://127.0.0.1:{port}", [f"--web.listen-address=127.0.0.1:{port}"]
    story = tell(url)
    with rig.serve(rig.webhook_config(hook.url), flags=flags) as first:
        incident_id = story.open()
        assert wait_until(lambda: len(hook.alerts("firing")) == 1, timeout_seconds=20)
        story.desk.silence(incident_id, "ann", 600.0, "known")
        assert wait_until(lambda: bool(listed(url, "silences")), timeout_seconds=15)
        first.kill()
    time.sleep(QUICK.retry_seconds)
    with rig.serve(rig.webhook_config(hook.url), flags=flags):
        assert wait_until(lambda: bool(listed(url, "alerts")), timeout_seconds=20)
        time.sleep(4.0)
        assert [one["status"]["state"] for one in listed(url, "alerts")] == ["suppressed"]
        assert len(hook.alerts("firing")) == 1


def test_a_frozen_peer_does_not_keep_the_other_waiting(
    hook: Hook, tell: Callable[..., RealStory]
) -> None:
    with (
        rig.serve(rig.webhook_config(hook.url)) as well,
        rig.serve(rig.webhook_config(hook.url)) as frozen,
    ):
        frozen.freeze()
        story = tell(frozen.url, well.url)
        story.open()
        assert wait_until(lambda: story.sender.waiting()[well.url] == 0, timeout_seconds=10)
        assert story.sender.waiting()[frozen.url] == 1
        frozen.thaw()
        assert wait_until(lambda: story.sender.waiting()[frozen.url] == 0, timeout_seconds=20)


def test_what_began_and_ended_while_alertmanager_hung_is_notified_once_and_then_resolved(
    hook: Hook, tell: Callable[..., RealStory]
) -> None:
    """Its socket takes what it does not read, and the same alert several times."""
    with rig.serve(rig.webhook_config(hook.url)) as server:
        server.freeze()
        story = tell(server.url)
        incident_id = story.open()
        time.sleep(QUICK.timeout_seconds + 2.0 * QUICK.retry_seconds)
        story.end()
        assert not hook.told
        server.thaw()
        back = time.monotonic()
        assert wait_until(lambda: bool(hook.alerts("firing")), timeout_seconds=20)
        assert time.monotonic() - back <= 10.0
        assert wait_until(lambda: bool(hook.alerts("resolved")), timeout_seconds=30)
        (page,) = hook.alerts("firing")
        assert page["labels"]["incident_id"] == incident_id
        assert len(hook.alerts("resolved")) == 1


def test_what_a_killed_alertmanager_had_taken_and_told_nobody_is_told_by_its_successor(
    hook: Hook, tell: Callable[..., RealStory]
) -> None:
    port = free_port()
    url, flags = f"http://127.0.0.1:{port}", [f"--web.listen-address=127.0.0.1:{port}"]
    story = tell(url)
    patient = rig.webhook_config(hook.url).replace("group_wait: 1s", "group_wait: 1h")
    with rig.serve(patient, flags=flags) as first:
        incident_id = story.open()
        assert wait_until(lambda: story.sender.waiting() == {url: 0}, timeout_seconds=20)
        first.kill()
    assert not hook.told
    with rig.serve(rig.webhook_config(hook.url), flags=flags):
        assert wait_until(lambda: bool(hook.alerts("firing")), timeout_seconds=20)
        time.sleep(3.0 * QUICK.resend_seconds)
        (page,) = hook.alerts("firing")
        assert page["labels"]["incident_id"] == incident_id
