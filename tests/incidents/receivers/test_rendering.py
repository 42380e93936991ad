"""What each medium is given: bounded, signed or keyed, and nothing that it would parse."""

import hashlib
import hmac
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incidents.receivers._message import Event, Message, message_of, sample_message
from incidents.receivers.mail import Mail
from incidents.receivers.pagerduty import Pagerduty
from incidents.receivers.slack import Slack
from incidents.receivers.teams import Teams
from incidents.receivers.webhook import Webhook
from service.api.hooks import Signatures
from store.outbox import Notice
from vocabulary.entities import Entity, EntityKind
from vocabulary.errors import ConfigError
from vocabulary.failure_modes import ENGINE_STALLED, Severity
from vocabulary.incidents import Incident, IncidentState

NOW = 1_764_072_000.0
HOSTILE = (
    "pod <!channel> & <https://evil.example|x> [a](javascript:x) `rm` \x1b[2J\u202e\r\nBcc: x@y"
)


def incident(**more: Any) -> Incident:
    pod = Entity(EntityKind.REPLICA, "c/ns/u/e", HOSTILE)
    made = Incident(
        id="inc-1", failure_mode=ENGINE_STALLED, title=f"Engine stalled: {HOSTILE}",
        headline=HOSTILE * 200, severity=Severity.CRITICAL, state=IncidentState.OPEN,
        opened_at=NOW - 5, since=NOW - 60, updated_at=NOW, entity=pod, pool="ns/chat",
        model="llama",
        links=(("Incident", "http://console.example/i?id=inc-1"), ("Bad", "javascript:alert(1)"),
               ("Worse", "https://x.example/<!channel>|y")),
    )  # fmt: skip
    return replace(made, **more)


def message(event: Event = Event.FIRING, *, opened: float = NOW - 5, **more: Any) -> Message:
    notice = Notice("r", "inc-1/critical", {}, opened, NOW, **more)
    return message_of(notice, incident(), event, NOW, 60.0)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text("https://hooks.example/T0/secret\n")
    return str(file)


def test_texts_are_bounded_lines_without_controls() -> None:
    told = message()
    assert len(told.title) <= 160
    assert len(told.text) <= 1500
    assert all(" " <= letter <= "~" for letter in told.heading + told.text)
    assert told.links == (("Incident", "http://console.example/i?id=inc-1"),), "only sound URLs"


def test_lateness_and_an_early_end_are_said() -> None:
    late = message(opened=NOW - 600, resolved_at=NOW - 100)
    assert late.heading.startswith("LATE [CRITICAL] ")
    assert late.remarks == (
        "Told 600 s late: it could not be told before.",
        "It was over before it could be told.",
    )
    assert message().remarks == ()
    assert message(Event.RESOLVED, opened=NOW - 600).late_seconds is None


def test_slack_is_given_plain_text_and_cannot_be_made_to_mention_anybody(secret: str) -> None:
    post = Slack(url_file=secret).request(message())
    body = json.loads(post.body)
    assert body["mrkdwn"] is False
    assert "<" not in body["text"].replace("&lt;", "")
    kinds = [block["text"]["type"] for block in body["blocks"] if "text" in block]
    assert kinds == ["plain_text", "plain_text"]
    assert len(body["blocks"][0]["text"]["text"]) <= 150
    links = body["blocks"][2]["elements"][0]["text"]
    assert links == "<http://console.example/i?id=inc-1|Incident>"


def test_teams_is_given_runs_that_no_markdown_is_read_in(secret: str) -> None:
    card = json.loads(Teams(url_file=secret).request(message()).body)["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert [one["url"] for one in card["actions"]] == ["http://console.example/i?id=inc-1"]


def test_pagerduty_pairs_trigger_and_resolve_by_one_key(secret: str) -> None:
    pager = Pagerduty(key_file=secret)
    fired = json.loads(pager.request(message()).body)
    over = json.loads(pager.request(message(Event.RESOLVED)).body)
    assert fired["event_action"] == "trigger"
    assert over["event_action"] == "resolve"
    assert fired["dedup_key"] == over["dedup_key"] != ""
    assert len(fired["dedup_key"]) <= 255
    assert len(fired["payload"]["summary"]) <= 1024
    assert fired["payload"]["severity"] == "critical"


def test_a_webhook_is_signed_as_our_own_hook_expects_it(secret: str) -> None:
    post = Webhook(url="https://x.example/in", secret_file=secret).request(message())
    key = b"https://hooks.example/T0/secret"
    Signatures(key).check(post.headers["x-tidegauge-signature"], post.body, NOW + 1)
    due = hmac.new(key, f"{NOW:.0f}.".encode() + post.body, hashlib.sha256).hexdigest()
    assert post.headers["x-tidegauge-signature"] == f"t={NOW:.0f},v1={due}"
    body = json.loads(post.body)
    assert body["version"] == "1"
    assert body["key"] == post.headers["idempotency-key"] == message().key
    assert body["incident"]["id"] == "inc-1"


def test_mail_can_be_given_no_header_and_no_markup_by_what_it_tells() -> None:
    mail = Mail(host="mx", sender="tidegauge@example.org", to=("oncall@example.org",))
    letter = mail.letter(message())
    assert letter["Bcc"] is None
    assert "\n" not in letter["Subject"]
    parts = {part.get_content_type(): part.get_content() for part in letter.iter_parts()}
    tags = set(re.findall(r"<(\w+)", parts["text/html"]))
    assert tags == {"html", "body", "p", "a"}
    assert letter["Message-ID"] == mail.letter(message())["Message-ID"], "a repeat is known"
    over = mail.letter(message(Event.RESOLVED))
    assert over["In-Reply-To"] == letter["Message-ID"]


def test_a_test_says_that_it_is_one(secret: str) -> None:
    told = sample_message(ENGINE_STALLED, NOW)
    assert told.heading.startswith("TEST: ")
    assert json.loads(Slack(url_file=secret).request(told).body)["text"].startswith("TEST: ")
    assert json.loads(Pagerduty(key_file=secret).request(told).body)["payload"]["severity"] == (
        "info"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"severities": ["loud"]}, "severities must name"),
        ({"sender": "nobody"}, "is no address"),
        ({"to": ()}, "at least one address"),
        ({"security": "ssl"}, "starttls, tls or none"),
        ({"security": "none", "user": "me"}, "in the clear"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"),
    ],
)
def test_a_wrong_setting_is_named(fields: dict[str, Any], said: str) -> None:
    sound = {"host": "mx", "sender": "a@example.org", "to": ("b@example.org",)}
    with pytest.raises(ValueError, match=said):
        Mail(**{**sound, **fields})


def test_a_missing_secret_is_named_and_a_wrong_one_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read url_file"):
        Slack(url_file=str(tmp_path / "none")).request(message())
    (tmp_path / "wrong").write_text("hunter2-is-no-url")
    with pytest.raises(ConfigError, match="holds no URL") as caught:
        Slack(url_file=str(tmp_path / "wrong")).request(message())
    assert "hunter2" not in str(caught.value)
