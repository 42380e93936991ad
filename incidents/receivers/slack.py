"""Slack, and what speaks its incoming webhooks: blocks of plain text, nothing that it would parse.

Format: Slack's Block Kit reference; only the fallback line is mrkdwn, and is escaped as Slack asks
(`&`, `<`, `>`), so that no label can mention a channel or become a link.
"""

import json
from dataclasses import dataclass
from typing import Any

from incidents.receivers._message import Message
from incidents.receivers._over_http import HttpReceiver, Post, checked_url
from incidents.receivers._receiver import secret_in

_HEADER, _SECTION = 150, 2900
"""Characters that Slack takes in a header block (150) and in a section (3,000)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack(HttpReceiver):
    """An incoming webhook; its URL is the secret."""

    url_file: str
    """File with the URL of the webhook."""

    def address(self) -> str:
        """The URL out of its file."""
        return checked_url("url_file", secret_in("url_file", self.url_file))

    def request(self, message: Message) -> Post:
        """A header, the page, remarks, and links of our own."""
        return Post(self.address(), json.dumps(_body(message)).encode())


def _body(message: Message) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.heading, _HEADER)},
        {"type": "section", "text": _plain(" ".join((message.text, *message.remarks)), _SECTION)},
    ]
    if message.links:
        links = "  ".join(f"<{escaped(url)}|{escaped(title)}>" for title, url in message.links)
        blocks.append(
            {"type": "context", "elements": [{"type": "mrkdwn", "text": links[:_SECTION]}]}
        )
    return {"text": escaped(message.heading), "mrkdwn": False, "blocks": blocks}


def escaped(text: str) -> str:
    """*text* with what mrkdwn would read made harmless."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text[:most], "emoji": False}
