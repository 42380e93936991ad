"""Told once, whatever the other side does: down, killed mid-request, hung, busy, and back."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from incident_scenes import Story, stalled

from incidents.courier import Courier
from incidents.receivers._receiver import Receiver
from incidents.receivers.mail import Mail
from incidents.receivers.pagerduty import Pagerduty
from incidents.receivers.slack import Slack
from incidents.receivers.teams import Teams
from incidents.receivers.webhook import Webhook
from incidents.settings import DeskSettings
from vocabulary.errors import ConfigError
from vocabulary.failure_modes import Severity

KINDS = ("webhook", "slack", "pagerduty", "teams")


@dataclass
class Site:
    """An HTTP receiver on a real socket that misbehaves as it is told."""

    manner: str = "take"
    """take, kill (read, act, and hang up), hang, busy (429), refuse (400), away (503)."""
    posted: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    attempts: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                site.attempts += 1
                if site.manner == "hang":
                    site.release.wait(10)
                    self.close_connection = True
                    return
                if site.manner in {"take", "kill"}:
                    site.posted.append(({k.lower(): v for k, v in self.headers.items()}, body))
                if site.manner == "kill":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                status = {"take": 202, "busy": 429, "refuse": 400, "away": 503}[site.manner]
                self.send_response(status)
                if site.manner == "busy":
                    self.send_header("retry-after", "120")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._handler = Handler
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def up(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        self.release.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def receiver(kind: str, site: Site, folder: Path, **more: Any) -> Receiver:
    (folder / "url").write_text(site.url)
    file = str(folder / "url")
    made: dict[str, Callable[[], Receiver]] = {
        "webhook": lambda: Webhook(url=site.url, secret_file=file, **more),
        "slack": lambda: Slack(url_file=file, **more),
        "pagerduty": lambda: Pagerduty(url=site.url, key_file=file, **more),
        "teams": lambda: Teams(url_file=file, **more),
    }
    return made[kind]()


class Told(Story):
    """A desk whose incidents are told to one receiver."""

    def __init__(self, path: Path, told: Receiver, *, live: bool = True) -> None:
        settings = DeskSettings(ticket_seconds=0.0)
        super().__init__(path, receivers=("r",) if live else (), settings=settings)
        self.told, self.live = told, live
        self.connect()

    def connect(self) -> None:
        self.courier = Courier({"r": self.told}, self.records, self.clock, live=self.live)

    def restart(self) -> None:
        super().restart()
        self.connect()

    def deliver(self, after: float = 0.0) -> None:
        self.clock.moment += after
        while self.courier.receivers and self.courier.deliver("r"):
            pass


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.down()


@pytest.fixture
def tell(tmp_path: Path, site: Site) -> Iterator[Callable[..., Told]]:
    made: list[Told] = []

    def start(kind: str = "webhook", *, live: bool = True, **more: Any) -> Told:
        told = receiver(kind, site, tmp_path, **more)
        made.append(Told(tmp_path / f"{len(made)}.sqlite", told, live=live))
        return made[-1]

    yield start
    for one in made:
        one.records.close()


def events(site: Site) -> list[str]:
    """What was said, in whatever words the medium has for it."""
    said = []
    for _, body in site.posted:
        text = json.dumps(body)
        over = "RESOLVED" in text or body.get("event_action") == "resolve"
        said.append("resolved" if over else "firing")
    return said


def resolve(told: Told) -> None:
    for _ in range(80):
        told.tick()
    assert told.only().resolved_at is not None


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_told_once_that_it_fires_and_once_that_it_is_over(
    tell: Callable[..., Told], site: Site, kind: str
) -> None:
    told = tell(kind)
    first, *_ = told.world.add_pool()
    for _ in range(40):
        told.tick(stalled(first, told.clock.moment))
        told.deliver()
    assert events(site) == ["firing"]
    resolve(told)
    for _ in range(20):
        told.deliver(after=60.0)
    assert events(site) == ["firing", "resolved"]
    told.desk.note(told.only().id, "ann", "was the driver")
    told.restart()
    told.deliver(after=600.0)
    assert events(site) == ["firing", "resolved"], "nothing is said again later"
    assert told.records.outbox.due("r", told.clock.moment + 1e9) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_down_is_told_within_ten_seconds_of_its_return_and_only_once(
    tell: Callable[..., Told], site: Site, kind: str
) -> None:
    told = tell(kind)
    first, *_ = told.world.add_pool()
    site.down()
    told.tick(stalled(first))
    for _ in range(30):
        told.deliver(after=5.0)
    told.restart()
    assert told.courier.waiting() == {"r": 1}
    site.up()
    for _ in range(10):
        told.deliver(after=1.0)
    assert events(site) == ["firing"]
    assert "LATE" in json.dumps(site.posted[0][1]) or kind == "pagerduty"
    (line,) = [act for act in told.only().activity if act.what == "notified"]
    assert "late by" in line.text


@pytest.mark.parametrize("kind", KINDS)
def test_what_ended_while_it_was_down_is_still_told_late(
    tell: Callable[..., Told], site: Site, kind: str
) -> None:
    told = tell(kind)
    first, *_ = told.world.add_pool()
    site.down()
    told.tick(stalled(first))
    told.deliver()
    resolve(told)
    site.up()
    told.deliver(after=10.0)
    assert events(site) == ["firing"], "a pager that hears both at once wakes nobody"
    assert "over before it could be told" in json.dumps(site.posted[0][1])
    for _ in range(10):
        told.deliver(after=30.0)
    pairs = kind in {"webhook", "pagerduty"}
    assert events(site) == (["firing", "resolved"] if pairs else ["firing"])


def test_killed_mid_request_it_is_sent_again_under_the_same_key(
    tell: Callable[..., Told], site: Site
) -> None:
    told = tell("webhook")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    site.manner = "kill"
    told.deliver()
    told.restart()
    site.manner = "take"
    for _ in range(10):
        told.deliver(after=1.0)
    keys = [headers["idempotency-key"] for headers, _ in site.posted]
    assert len(keys) == 2, "it had read the first one, and we cannot know"
    assert len(set(keys)) == 1, "so that it can tell"


def test_a_pager_knows_a_repeat_by_its_key(tell: Callable[..., Told], site: Site) -> None:
    told = tell("pagerduty")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    site.manner = "kill"
    told.deliver()
    site.manner = "take"
    told.deliver(after=5.0)
    assert len({body["dedup_key"] for _, body in site.posted}) == 1


def test_one_that_hangs_is_given_up_and_asked_again(tell: Callable[..., Told], site: Site) -> None:
    told = tell("slack", timeout_seconds=0.2)
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    site.manner = "hang"
    told.deliver()
    assert told.courier.waiting() == {"r": 1}
    site.manner = "take"
    told.deliver(after=5.0)
    assert events(site) == ["firing"]


def test_one_that_is_busy_is_left_alone_for_as_long_as_it_asks(
    tell: Callable[..., Told], site: Site
) -> None:
    told = tell("slack")
    chat, code = told.world.add_pool()[0], told.world.add_pool("prod/code")[0]
    told.tick(stalled(chat), stalled(code))
    site.manner = "busy"
    told.deliver()
    for _ in range(11):
        told.deliver(after=10.0)
    assert site.attempts == 1, "two wait, and one was tried once"
    site.manner = "take"
    told.deliver(after=15.0)
    assert events(site) == ["firing", "firing"]


def test_what_is_refused_is_said_in_the_incident_and_not_tried_for_ever(
    tell: Callable[..., Told], site: Site
) -> None:
    told = tell("webhook")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    site.manner = "refuse"
    for _ in range(10):
        told.deliver(after=10.0)
    assert site.attempts == 1
    (line,) = [act for act in told.only().activity if act.what == "not notified"]
    assert "HTTP 400" in line.text
    assert told.courier.counts["r", "refused"] == 1


@pytest.mark.parametrize(("kind", "said"), [("slack", 3), ("pagerduty", 4)])
def test_a_raised_severity_is_told_and_people_hear_the_end_once(
    tell: Callable[..., Told], site: Site, kind: str, said: int
) -> None:
    told = tell(kind)
    first, *_ = told.world.add_pool()
    told.tick(stalled(first, severity=Severity.WARNING))
    told.deliver()
    for _ in range(10):
        told.tick(stalled(first, told.clock.moment))
        told.deliver()
    assert events(site).count("firing") == 2
    resolve(told)
    for _ in range(10):
        told.deliver(after=60.0)
    assert len(site.posted) == said
    assert events(site).count("firing") == 2


def test_only_wanted_severities_are_told(tell: Callable[..., Told], site: Site) -> None:
    told = tell("slack", severities=["critical"])
    first, *_ = told.world.add_pool()
    told.tick(stalled(first, severity=Severity.WARNING))
    told.deliver()
    assert site.attempts == 0
    assert told.courier.waiting() == {"r": 0}
    told.tick(stalled(first))
    told.deliver()
    assert events(site) == ["firing"]


def test_what_is_silenced_waits_and_is_never_told_if_it_ends_in_silence(
    tell: Callable[..., Told], site: Site
) -> None:
    told = tell("slack")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.desk.silence(told.only().id, "ann", 7200, "known")
    told.deliver()
    resolve(told)
    told.deliver(after=10.0)
    assert site.attempts == 0
    assert told.records.outbox.due("r", told.clock.moment + 1e9) == []


def test_nothing_is_sent_under_another_clock(tell: Callable[..., Told], site: Site) -> None:
    drill = tell("slack", live=False)
    first, *_ = drill.world.add_pool()
    drill.tick(stalled(first))
    drill.deliver()
    assert drill.courier.receivers == ()
    assert site.attempts == 0


def test_a_secret_that_is_gone_holds_the_message_until_it_is_back(
    tell: Callable[..., Told], site: Site, tmp_path: Path
) -> None:
    told = tell("slack")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    (tmp_path / "url").unlink()
    told.deliver()
    assert told.courier.waiting() == {"r": 1}
    (tmp_path / "url").write_text(site.url)
    told.deliver(after=5.0)
    assert events(site) == ["firing"]


def test_a_redirect_is_not_followed_with_our_secrets(tmp_path: Path) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(307)
            self.send_header("location", "http://127.0.0.1:1/evil")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    told = Told(tmp_path / "c.sqlite", Webhook(url=url))
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.deliver()
    (row,) = told.records.outbox.due("r", told.clock.moment + 60)
    assert "HTTP 307" in row.error
    told.records.close()
    server.shutdown()
    server.server_close()


class Mailbox:
    """A small SMTP server on a real socket (RFC 5321, enough of it)."""

    def __init__(self, *, final: str = "250 taken") -> None:
        self.final, self.letters, self.hang_up = final, list[str](), False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                self._converse(stream)

    def _converse(self, stream: Any) -> None:
        def say(line: str) -> None:
            stream.write(line.encode() + b"\r\n")
            stream.flush()

        say("220 mailbox")
        for line in stream:
            verb = line[:4].upper()
            if verb == b"DATA":
                say("354 go on")
                letter = b""
                for piece in stream:
                    if piece == b".\r\n":
                        break
                    letter += piece
                self.letters.append(letter.decode())
                if self.hang_up:
                    return
                say(self.final)
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def mailbox() -> Iterator[Callable[..., Mailbox]]:
    made: list[Mailbox] = []

    def start(**more: Any) -> Mailbox:
        made.append(Mailbox(**more))
        return made[-1]

    yield start
    for one in made:
        one.close()


def letters(box: Mailbox) -> Mail:
    return Mail(
        host="127.0.0.1", port=box.port, sender="tidegauge@example.org",
        to=("oncall@example.org",), security="none", timeout_seconds=5.0,
    )  # fmt: skip


def header(letter: str, name: str) -> str:
    return next(line for line in letter.splitlines() if line.startswith(f"{name}:"))


def test_mail_is_sent_once_and_answered_when_it_is_over(
    tmp_path: Path, mailbox: Callable[..., Mailbox]
) -> None:
    box = mailbox()
    told = Told(tmp_path / "c.sqlite", letters(box))
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.deliver()
    resolve(told)
    for _ in range(5):
        told.deliver(after=60.0)
    fired, over = box.letters
    assert "[CRITICAL]" in header(fired, "Subject")
    assert "[RESOLVED]" in header(over, "Subject")
    assert header(over, "In-Reply-To").split()[1] == header(fired, "Message-ID").split()[1]
    told.records.close()


def test_mail_cut_off_after_its_data_is_repeated_under_the_same_id(
    tmp_path: Path, mailbox: Callable[..., Mailbox]
) -> None:
    box = mailbox()
    told = Told(tmp_path / "c.sqlite", letters(box))
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    box.hang_up = True
    told.deliver()
    box.hang_up = False
    told.deliver(after=5.0)
    told.deliver(after=60.0)
    assert len(box.letters) == 2
    assert len({header(one, "Message-ID") for one in box.letters}) == 1
    told.records.close()


@pytest.mark.parametrize(("final", "tries"), [("451 later", 3), ("554 spam", 1)])
def test_mail_refused_for_now_is_tried_again_and_for_good_is_not(
    tmp_path: Path, mailbox: Callable[..., Mailbox], final: str, tries: int
) -> None:
    box = mailbox(final=final)
    told = Told(tmp_path / "c.sqlite", letters(box))
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    for _ in range(3):
        told.deliver(after=6.0)
    assert len(box.letters) == tries
    told.records.close()


def test_mail_does_not_go_out_in_the_clear_where_encryption_was_asked_for(
    mailbox: Callable[..., Mailbox],
) -> None:
    box = mailbox()
    mail = Mail(
        host="127.0.0.1",
        port=box.port,
        sender="a@example.org",
        to="b@example.org",  # type: ignore[arg-type]
    )
    with pytest.raises(ConfigError, match="STARTTLS"):
        mail.probe()
    assert box.letters == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_sends_nothing_and_names_who_is_not_there(
    site: Site, tmp_path: Path, kind: str
) -> None:
    told = receiver(kind, site, tmp_path)
    assert "nothing was sent" in told.probe()
    assert site.attempts == 0
    site.down()
    with pytest.raises(ConfigError, match=f"127.0.0.1:{site.port} cannot be reached"):
        told.probe()


def test_threads_deliver_by_themselves_and_stop(tell: Callable[..., Told], site: Site) -> None:
    told = tell("slack")
    first, *_ = told.world.add_pool()
    told.tick(stalled(first))
    told.courier.start()
    for _ in range(200):
        if site.posted and told.courier.waiting() == {"r": 0}:
            break
        threading.Event().wait(0.05)
    told.courier.stop()
    assert events(site) == ["firing"]
