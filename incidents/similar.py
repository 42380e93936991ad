"""Incidents of the past that resemble one: how they ended, and which card was said yes to.

The same incident always gives the same list: what is alike is counted by fixed weights, and of
equals the newest comes first.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vocabulary.incidents import Incident, IncidentState

APPROVED = "approved"
"""With what word the line of activity begins that says yes to a card."""
MOST = 5
LEAST = 4
"""Sum of weights below which nothing is called similar: the same mode, and one thing more."""

APPROVAL = re.compile(rf"^{APPROVED} (R\d\d) ")
"""Such a line; the group is the card."""


@dataclass(frozen=True, slots=True)
class Similar:
    """An earlier incident, what is alike, and what came of it."""

    incident: Incident
    score: int
    alike: tuple[str, ...]
    """What both have: `mode`, `cause`, `entity`, `pool`, `model`, `change rollout`."""
    ended: str
    """How it ended, in the words of its history."""
    ended_by: str
    cards: tuple[str, ...]
    """Cards that somebody approved before it ended."""


def similar(incident: Incident, past: Iterable[Incident]) -> tuple[Similar, ...]:
    """Those of the *past* incidents that are most like *incident*, best first."""
    found = []
    for other in past:
        over = other.state is IncidentState.RESOLVED and not other.merged_into
        if not over or other.id == incident.id:
            continue
        weights = _alike(incident, other)
        score = sum(weights.values())
        if score >= LEAST and (weights.get("mode") or weights.get("cause")):
            found.append(Similar(other, score, tuple(weights), *_end(other), _cards(other)))
    found.sort(key=lambda one: (-one.score, -one.incident.opened_at, one.incident.id))
    return tuple(found[:MOST])


def _alike(one: Incident, other: Incident) -> dict[str, int]:
    """What both have, with its weight; our judgement."""
    first, second = ({change.kind for change in each.changes} for each in (one, other))
    causes = [each.causes[0].failure_mode if each.causes else None for each in (one, other)]
    told = {
        "mode": 3 * (one.failure_mode is other.failure_mode),
        "cause": 2 * (causes[0] is not None and causes[0] is causes[1]),
        "entity": 2 * (one.entity == other.entity),
        "pool": 1 * bool(one.pool and one.pool == other.pool),
        "model": 1 * bool(one.model and one.model == other.model),
        **{f"change {kind}": 1 for kind in sorted(first & second)},
    }
    return {name: weight for name, weight in told.items() if weight}


def _end(one: Incident) -> tuple[str, str]:
    """The words of the line that ended it, and whose they are."""
    for line in reversed(one.activity):
        if line.what == "resolved":
            return line.text, line.who
    return "", ""


def _cards(one: Incident) -> tuple[str, ...]:
    found = (APPROVAL.match(line.text) for line in one.activity)
    return tuple(dict.fromkeys(match.group(1) for match in found if match))
