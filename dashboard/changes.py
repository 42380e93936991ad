"""What was changed, and what it did: verdicts in words and shapes."""

from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.api import Api
from dashboard.words import plain

VERDICTS = {
    "better": ("✓", "better", "green"),
    "worse": ("▲", "worse", "red"),
    "no_difference": ("=", "no difference", "gray"),
    "cannot_tell_yet": ("?", "cannot tell yet", "orange"),
}
"""Shape, words and colour of each."""


def verdict_of(change: Mapping[str, Any]) -> str:
    """`▲ worse`, or an empty string for a change that is not judged."""
    verdict = change.get("verdict")
    if not verdict:
        return ""
    mark, words, _ = VERDICTS[verdict["word"]]
    return f"{mark} {words}"


def verdict_lines(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line of Markdown for each act that was judged; changes of one act share theirs."""
    lines = []
    for change in changes:
        verdict = change.get("verdict")
        if verdict:
            mark, words, colour = VERDICTS[verdict["word"]]
            badge = f":{colour}-badge[{mark} {words}]"
            lines.append(f"{badge} {plain(change['what'])}: {plain(verdict['text'])}")
    return lines


def judged(api: Api, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*changes* of an incident, each with its verdict where the feed still has one."""
    if not changes:
        return []
    start = min(one["at"] for one in changes)
    feed = api.get("/api/v1/changes", **{"from": start, "limit": 1000})["changes"]
    told = {_happening(one): one.get("verdict") for one in feed}
    return [{**one, "verdict": told.get(_happening(one))} for one in changes]


def _happening(change: Mapping[str, Any]) -> tuple[str, ...]:
    return (change["at"], change["kind"], change["entity"]["id"], change["what"])
