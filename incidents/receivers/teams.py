"""Microsoft Teams through a workflow's webhook: an Adaptive Card of plain runs.

Format: Microsoft's "Post to a channel when a webhook request is received" workflow and the Adaptive
Card schema. A TextBlock would read Markdown; a TextRun does not, so no label becomes a link.
"""

import json
from dataclasses import dataclass
from typing import Any

from incidents.receivers._message import Event, Message
from incidents.receivers._over_http import HttpReceiver, Post, checked_url
from incidents.receivers._receiver import secret_in

_COLOURS = {"critical": "attention", "warning": "warning", "info": "default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams(HttpReceiver):
    """A workflow's webhook; its URL is the secret."""

    url_file: str
    """File with the URL of the workflow."""

    def address(self) -> str:
        """The URL out of its file."""
        return checked_url("url_file", secret_in("url_file", self.url_file))

    def request(self, message: Message) -> Post:
        """A card with a heading, the page, remarks, and buttons that open links of our own."""
        return Post(self.address(), json.dumps(_body(message)).encode())


def _body(message: Message) -> dict[str, Any]:
    over = message.event is Event.RESOLVED
    colour = "good" if over else _COLOURS[message.severity.value]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _runs({"text": message.heading, "weight": "bolder", "color": colour}),
            _runs({"text": message.text}),
            *(_runs({"text": remark, "isSubtle": True}) for remark in message.remarks),
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": title, "url": url} for title, url in message.links
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _runs(run: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run}]}
