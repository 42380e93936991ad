"""PagerDuty's Events API v2, and what is compatible with it: trigger and resolve by one key.

Format: its reference: `dedup_key` up to 255 characters, `summary` up to 1,024.
"""

import json
from dataclasses import dataclass
from typing import Any

from incidents.receivers._message import Event, Message
from incidents.receivers._over_http import HttpReceiver, Post, checked_url
from incidents.receivers._receiver import Receiver, secret_in
from vocabulary.incidents import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagerduty(HttpReceiver):
    """One integration (a routing key) of one service."""

    key_file: str
    """File with the routing key of the integration."""
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """Where events go; PagerDuty's EU region and compatible products have another."""

    def __post_init__(self) -> None:
        Receiver.__post_init__(self)
        checked_url("url", self.url)

    @property
    def pairs_events(self) -> bool:
        """Its alerts stay open until they are resolved by their key."""
        return True

    def address(self) -> str:
        """The configured URL; the key's file is read too."""
        secret_in("key_file", self.key_file)
        return self.url

    def request(self, message: Message) -> Post:
        """A trigger or a resolve; a test is a trigger of severity info."""
        key = secret_in("key_file", self.key_file)
        return Post(self.url, json.dumps({"routing_key": key, **_body(message)}).encode())


def _body(message: Message) -> dict[str, Any]:
    subject = {"dedup_key": f"tidegauge/{message.subject}"[:255], "client": "Tidegauge"}
    if message.event is Event.RESOLVED:
        return {**subject, "event_action": "resolve"}
    incident = message.incident
    return {
        **subject,
        "event_action": "trigger",
        "payload": {
            "summary": message.heading[:1024],
            "source": (incident.pool or incident.entity.label) if incident else "tidegauge",
            "severity": message.severity.value,
            "timestamp": rfc3339(message.since),
            "component": incident.model if incident else "",
            "class": incident.failure_mode.word if incident else "test",
            "custom_details": {"text": message.text, "remarks": list(message.remarks)},
        },
        "links": [{"href": url, "text": title} for title, url in message.links],
    }
