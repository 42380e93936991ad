"""One Alertmanager as it is spoken to: API v2, short deadlines, no redirects, answers bounded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx2

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that are read."""


class Outcome(StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """It will not take this, however often it is sent."""
    UNREACHABLE = "unreachable"
    """Nobody home, or nobody who can do it now: try again."""


_REFUSALS = frozenset({400, 413, 422})
"""The content is at fault. 401, 403, 404 and 429 are about us or about now, so they are retried."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An Alertmanager's address and the client that reaches it."""

    url: str
    client: httpx2.Client
    headers: Mapping[str, str]

    def post_alerts(self, alerts: Sequence[Mapping[str, Any]]) -> tuple[Outcome, str]:
        """Hand over *alerts*; the second value says what went wrong."""
        outcome, said, _ = self._ask("POST", "/api/v2/alerts", alerts)
        return outcome, said

    def silences_of(self, incident_id: str) -> list[Mapping[str, Any]] | None:
        """Silences this peer knows for one incident, ended ones too; None when it cannot tell."""
        query = {"filter": f'incident_id="{incident_id}"'}
        outcome, _, body = self._ask("GET", "/api/v2/silences", None, query)
        if outcome is not Outcome.ACCEPTED or not isinstance(body, list):
            return None
        return [one for one in body if isinstance(one, dict)]

    def post_silence(self, silence: Mapping[str, Any]) -> tuple[Outcome, str]:
        """Create a silence."""
        outcome, said, _ = self._ask("POST", "/api/v2/silences", silence)
        return outcome, said

    def _ask(
        self, method: str, path: str, body: Any, query: Mapping[str, str] | None = None
    ) -> tuple[Outcome, str, Any]:
        try:
            with self.client.stream(
                method,
                self.url.rstrip("/") + path,
                json=body,
                params=query,
                headers=dict(self.headers),
                follow_redirects=False,
            ) as answer:
                content = _bounded(answer)
        except httpx2.HTTPError as error:
            return Outcome.UNREACHABLE, f"{type(error).__name__}: {error}", None
        if 200 <= answer.status_code < 300:
            return Outcome.ACCEPTED, "", _parsed(content)
        said = f"{answer.status_code}: {content[:200].decode('utf-8', 'replace')}"
        refused = answer.status_code in _REFUSALS
        return (Outcome.REFUSED if refused else Outcome.UNREACHABLE), said, None


def _bounded(answer: httpx2.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > ANSWER_LIMIT:
            break
    return bytes(content)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content.strip() else None
    except (ValueError, RecursionError):
        return None
