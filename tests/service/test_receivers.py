"""The `receivers` list from the file to the socket: entries, doctor, test message, the server."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from incident_scenes import World, stalled
from typer.testing import CliRunner

from service import core
from service.checks import Verdict
from service.cli import app
from service.clock import WallClock
from service.config import load
from service.receivers import receiver_checks, receivers_of
from vocabulary.errors import ConfigError, StoreUnreachable
from vocabulary.metrics import NOTIFICATIONS


class Site:
    """A receiver that remembers what it was sent."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                site.posted.append(json.loads(body))
                self.send_response(site.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/x"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.stop()


@pytest.fixture
def file(tmp_path: Path, site: Site) -> Path:
    (tmp_path / "slack-url").write_text(site.url)
    made = tmp_path / "tidegauge.yaml"
    made.write_text(
        f"data_dir: {tmp_path / 'data'}\n"
        "receivers:\n"
        f"  - {{kind: slack, name: oncall, url_file: {tmp_path / 'slack-url'},"
        " severities: [critical]}\n"
        f"  - {{kind: webhook, url: '{site.url}'}}\n"
    )
    return made


def test_entries_become_receivers_by_name_and_kind_is_the_name_where_none_is_given(
    file: Path,
) -> None:
    config = load(file, {})
    told = receivers_of(config)
    assert {name: type(one).__name__ for name, one in told.items()} == {
        "oncall": "Slack",
        "webhook": "Webhook",
    }
    assert told["oncall"].severities == ("critical",)
    assert "receivers.oncall" in {value.key for value in config.values()}


def test_the_environment_may_list_them_in_yaml() -> None:
    config = load(None, {"TIDEGAUGE_RECEIVERS": "[{kind: webhook, url: 'https://x.example/'}]"})
    assert list(receivers_of(config)) == ["webhook"]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("slack", "must be a list"),
        ("[{name: x}]", "has no kind"),
        ("[{kind: slak}]", "no kind `slak`; did you mean `slack`"),
        ("[{kind: slack, url: x}]", r"receivers\.slack: unknown key `url`"),
        ("[{kind: slack}]", r"receivers\.slack: .*url_file"),
        ("[{kind: webhook, url: ftp://x}]", "holds no URL"),
        ("[{kind: slack, url_file: a}, {kind: slack, url_file: b}]", "two are named slack"),
        ("[{kind: slack, name: 'a/b', url_file: a}]", "is no name"),
        ("[{kind: slack, url_file: a, timeout_seconds: soon}]", "timeout_seconds must be float"),
    ],
)
def test_a_wrong_entry_is_named(entries: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        receivers_of(load(None, {"TIDEGAUGE_RECEIVERS": entries}))


def test_doctor_looks_without_sending(file: Path, site: Site) -> None:
    told = receivers_of(load(file, {}))
    assert [one.verdict for one in receiver_checks(told)] == [Verdict.OK, Verdict.OK]
    assert site.posted == []
    (file.parent / "slack-url").unlink()
    first = next(iter(receiver_checks(told)))
    assert first.verdict is Verdict.BLIND
    assert "cannot read url_file" in first.what


def test_a_test_message_says_that_it_is_one_and_a_refusal_is_unreachable(
    file: Path, site: Site
) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["receivers", "list", "--config", str(file), "-o", "json"])
    assert [one["name"] for one in json.loads(listed.stdout)] == ["oncall", "webhook"]
    sent = runner.invoke(app, ["receivers", "test", "oncall", "--config", str(file)])
    assert sent.exit_code == 0, sent.output
    assert site.posted[0]["text"].startswith("TEST: ")
    site.status = 403
    refused = runner.invoke(app, ["receivers", "test", "oncall", "--config", str(file)])
    assert isinstance(refused.exception, StoreUnreachable)
    assert "HTTP 403" in str(refused.exception)
    nobody = runner.invoke(app, ["receivers", "test", "nobody", "--config", str(file)])
    assert "known: oncall, webhook" in str(nobody.exception)


def test_a_server_tells_them_what_its_desk_decides(file: Path, site: Site) -> None:
    part = core.build(load(file, {}), WallClock(), secret="a-secret-of-some-length")
    stops: list[Any] = []
    try:
        part.start_notifying(lambda _, stop: stops.append(stop))
        now = part.clock.now()
        world = World(now=now)
        first, *_ = world.add_pool()
        part.desk.tick([stalled(first, now)], world.scene())
        deadline = time.monotonic() + 20.0
        while len(site.posted) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(site.posted) == 2, "slack and the webhook"
        for stop in stops:
            stop()
        told = [one for one in part.how_we_are() if one.series.name == NOTIFICATIONS.name]
        labels = [dict(one.series.labels) for one in told]
        assert {one["receiver"] for one in labels} == {"oncall", "webhook"}
        assert not any("wait" in problem for problem in part.info().problems)
    finally:
        part.close()


def test_a_simulated_server_tells_nobody(file: Path) -> None:
    part = core.build(load(file, {}), WallClock(), secret="a-secret-of-some-length", simulated=True)
    assert part.courier.receivers == ()
    part.close()
