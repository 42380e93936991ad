"""Any program that takes JSON: signed as our own inbound hook is, idempotent, versioned."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from incidents.receivers._message import Event, Message
from incidents.receivers._over_http import HttpReceiver, Post, checked_url, plain_links
from incidents.receivers._receiver import Receiver, secret_in
from vocabulary.incidents import Incident, incident_json, rfc3339

VERSION = "1"
SIGNATURE = "x-tidegauge-signature"
"""The header, `t=UNIX,v1=HMAC-SHA256(t.body)`, as `/hooks/alertmanager` takes it too."""
_WHOLE = (
    "id", "code", "failure_mode", "title", "headline", "severity", "state", "opened_at", "since",
    "updated_at", "resolved_at", "entity", "pool", "model", "impact", "merged_into",
)  # fmt: skip
_SOME = {"causes": 3, "changes": 5, "tenants": 20, "entities": 50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(HttpReceiver):
    """POSTs `{version, event, key, …}`; the header `Idempotency-Key` repeats the key."""

    url: str
    """Where to POST."""
    secret_file: str = ""
    """File with the key of the signature; unsigned when empty."""
    token_file: str = ""
    """File with a bearer token to send; none when empty."""

    def __post_init__(self) -> None:
        Receiver.__post_init__(self)
        checked_url("url", self.url)

    @property
    def pairs_events(self) -> bool:
        """A program keeps what fired until it is told that it is over."""
        return True

    def address(self) -> str:
        """The configured URL; the secrets' files are read too."""
        self._headers(b"", 0.0)
        return self.url

    def request(self, message: Message) -> Post:
        """The message in JSON."""
        body = json.dumps(_body(message), separators=(",", ":")).encode()
        known = {"idempotency-key": message.key, **self._headers(body, message.at)}
        return Post(self.url, body, known)

    def _headers(self, body: bytes, now: float) -> dict[str, str]:
        headers = {}
        if self.secret_file:
            key = secret_in("secret_file", self.secret_file).encode()
            signed = f"{now:.0f}.".encode() + body
            digest = hmac.new(key, signed, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"t={now:.0f},v1={digest}"
        if self.token_file:
            headers["authorization"] = f"Bearer {secret_in('token_file', self.token_file)}"
        return headers


def _body(message: Message) -> dict[str, Any]:
    told = message.event is Event.FIRING and message.over_at is not None
    return {
        "version": VERSION,
        "event": message.event.value,
        "key": message.key,
        "subject": message.subject,
        "severity": message.severity.value,
        "heading": message.heading,
        "text": message.text,
        "remarks": list(message.remarks),
        "sent_at": rfc3339(message.at),
        "late_seconds": message.late_seconds,
        "over_at": rfc3339(message.over_at) if told or message.event is Event.RESOLVED else None,
        "incident": _incident(message.incident),
        "links": plain_links(message),
    }


def _incident(incident: Incident | None) -> dict[str, Any] | None:
    if incident is None:
        return None
    whole = incident_json(incident)
    first = next((one for one in whole["actions"] if one["precondition_met"] is not False), None)
    return {
        **{name: whole[name] for name in _WHOLE},
        **{name: whole[name][:most] for name, most in _SOME.items()},
        "first_step": first,
    }
