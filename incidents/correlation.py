"""Findings become incidents: what has one cause is one page, what has two stays two.

A finding that another one explains joins it; the best explanation wins, so that a symptom which
two faults could explain never glues the two together. Everything is decided in one fixed order.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from incidents.explains import (
    ALONE,
    BOTH_WAYS,
    CAUSES_OF,
    DATING,
    EARLIER,
    NEEDS_LOST,
    meeting,
)
from incidents.places import NARROW, ONE_HALL
from incidents.settings import DeskSettings
from incidents.tracking import Case, Tracked
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import UNCLASSIFIED, FailureMode


def incident_id(mode: FailureMode, entity: Entity, since: float) -> str:
    """The same root at the same time always bears the same id, in a replay too."""
    told = f"{mode.word}|{entity}|{int(since)}"
    return f"inc-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@dataclass(slots=True)
class Placement:
    """What correlation decided."""

    joins: list[tuple[Tracked, Case]] = field(default_factory=list)
    """New findings that belong to an incident there is."""
    opens: list[list[Tracked]] = field(default_factory=list)
    """Groups of new findings that are an incident each."""
    merges: list[tuple[Case, Case]] = field(default_factory=list)
    """(merged, survivor)."""


BUCKET = 32
"""Findings of one mode at one place that are compared: enough to explain, and never quadratic."""

ROOT_CANDIDATES = 8
"""Findings of each mode that may be the root of an incident, oldest first."""


@dataclass(slots=True, eq=False)
class _Node:
    """A finding and the group it is in; groups are joined by pointing one at another."""

    tracked: Tracked
    case: Case | None
    leader: "_Node | None" = None

    def group(self) -> "_Node":
        node = self
        while node.leader is not None:
            node = node.leader
        return node

    def join(self, other: "_Node") -> None:
        mine, theirs = self.group(), other.group()
        if mine is not theirs:
            mine.leader = theirs


class _Index:
    """Nodes by failure mode and place, so that only those that could meet are compared."""

    def __init__(self, nodes: Iterable[_Node]) -> None:
        self._found: dict[tuple[str, str], list[_Node]] = {}
        for node in nodes:
            engine = node.tracked.mode.family != "telemetry"
            for place in node.tracked.acts_on:
                self._add((node.tracked.mode.word, place), node)
                if engine:
                    self._add(("", place), node)

    def _add(self, key: tuple[str, str], node: _Node) -> None:
        bucket = self._found.setdefault(key, [])
        if len(bucket) < BUCKET:
            bucket.append(node)

    def of(self, mode: str, places: Iterable[str]) -> Iterable[_Node]:
        """Nodes of *mode* at any of *places*, each once; any but telemetry for the empty mode."""
        return {id(n): n for place in places for n in self._found.get((mode, place), ())}.values()


def correlate(new: Sequence[Tracked], live: Sequence[Case], settings: DeskSettings) -> Placement:
    """Place *new* findings among the *live* incidents, and say which of those are one."""
    fresh = [_Node(one, None) for one in sorted(new, key=lambda one: one.order)]
    standing, roots = list[_Node](), list[_Node]()
    for case in live:
        nodes = [_Node(one, case) for one in case.tracked.values()]
        for node in nodes[1:]:
            node.join(nodes[0])
        standing.extend(nodes)
        first = root(case.main(), settings)
        roots.extend(node for node in nodes if node.tracked is first)
    index = _Index([*standing, *fresh])
    for node in fresh:
        found = _explanation(node.tracked, index, settings) or _host(node.tracked, index, settings)
        found = found or _elder_sibling(node.tracked, index, settings)
        if found is not None:
            node.join(found)
    fresh_index = _Index(fresh)
    for node in roots:
        # A new finding that explains the root of an incident there is takes it over.
        better = _explanation(node.tracked, fresh_index, settings)
        if better is not None:
            node.join(better)
    return _read([*standing, *fresh])


def root(findings: Iterable[Tracked], settings: DeskSettings) -> Tracked:
    """The one of *findings* (oldest first) that explains the others, the oldest among equals."""
    carrying, seen = list[Tracked](), dict[str, int]()
    for one in findings:
        seen[one.mode.word] = seen.get(one.mode.word, 0) + 1
        if seen[one.mode.word] <= ROOT_CANDIDATES:
            carrying.append(one)
    if len(seen) == 1:
        return carrying[0]
    weight = {
        one.key: sum(link(one, other, settings) > 0.0 for other in carrying) for one in carrying
    }
    explained = {
        one.key for one in carrying if any(link(other, one, settings) > 0.0 for other in carrying)
    }
    first = [one for one in carrying if one.key not in explained]
    if not first:  # pairs that go both ways closed a circle: the oldest of all is the root
        return carrying[0]
    return min(first, key=lambda one: (-weight[one.key], *one.order))


def link(cause: Tracked, symptom: Tracked, settings: DeskSettings) -> float:
    """How well *cause* explains *symptom* by table, place and time; 0 when it does not."""
    if not _in_time(cause, symptom, settings) or not _directed(cause, symptom):
        return 0.0
    if cause.mode.word in ALONE and symptom.lost < NEEDS_LOST.get(symptom.mode.word, 0.0):
        return 0.0
    narrow = cause.entity.kind in NARROW and symptom.entity.kind in NARROW
    return meeting(
        cause.mode.word, symptom.mode.word, cause.acts_on, symptom.seen_at, both_narrow=narrow
    )


def _in_time(cause: Tracked, symptom: Tracked, settings: DeskSettings) -> bool:
    """The cause began before the symptom, and had not ended long before it."""
    slack = settings.slack_seconds
    early = slack + DATING.get(symptom.mode.word, 0.0)
    return cause.since - early <= symptom.since <= cause.last_at + slack


def _directed(cause: Tracked, symptom: Tracked) -> bool:
    """Of two modes either of which may be the cause, the older finding is."""
    if (cause.mode.word, symptom.mode.word) not in BOTH_WAYS:
        return True
    return _age(cause) < _age(symptom)


def _age(one: Tracked) -> tuple[float, str, str]:
    """One order of all findings, the oldest first."""
    return (one.since - EARLIER.get(one.mode.word, 0.0), one.mode.code, str(one.entity))


def _explanation(symptom: Tracked, index: _Index, settings: DeskSettings) -> _Node | None:
    found = [
        (link(other.tracked, symptom, settings) * other.tracked.confidence, other)
        for cause in CAUSES_OF.get(symptom.mode.word, ())
        for other in index.of(cause, symptom.seen_at)
    ]
    return min(
        ((score, other) for score, other in found if score > 0.0),
        key=lambda pair: (-round(pair[0], 6), *pair[1].tracked.order),
        default=(0.0, None),
    )[1]


def _host(context: Tracked, index: _Index, settings: DeskSettings) -> _Node | None:
    """The incident at the same replica, node or pool that a word about telemetry is context of."""
    if context.mode.family != "telemetry":
        return None
    places = [place for place in context.seen_at if not place.startswith("model/")]
    hosts = [
        node
        for node in index.of("", places)
        if node.tracked.last_at + settings.slack_seconds >= context.since
    ]
    return min(hosts, key=lambda node: node.tracked.order, default=None)


def _elder_sibling(mine: Tracked, index: _Index, settings: DeskSettings) -> _Node | None:
    """The oldest finding of the same mode beside it, when it is the same trouble spreading."""
    elders = [
        other
        for other in index.of(mine.mode.word, _sibling_places(mine))
        if _together(other.tracked, mine, settings)
        and (other.case is not None or other.tracked.order < mine.order)
    ]
    return min(elders, key=lambda node: (node.case is None, *node.tracked.order), default=None)


def _together(one: Tracked, other: Tracked, settings: DeskSettings) -> bool:
    """Whether they began so near each other that it is one trouble, spreading."""
    apart = abs(one.since - other.since)
    if one.acts_on & other.acts_on == {ONE_HALL}:
        return apart <= settings.hall_seconds
    return apart <= settings.sibling_seconds


def _sibling_places(tracked: Tracked) -> list[str]:
    """How trouble of its kind spreads: hardware over a node; tenants and others' alerts not."""
    if tracked.entity.kind is EntityKind.TENANT or tracked.mode is UNCLASSIFIED:
        return []
    kinds = _SPREAD.get(tracked.mode.family, ("node", "pool", "model"))
    return [place for place in tracked.acts_on if place.partition("/")[0] in kinds]


_SPREAD = {"hardware": ("node", "hall"), "telemetry": ("node", "pool", "model", "fleet")}


def _read(nodes: Sequence[_Node]) -> Placement:
    """Each group is one incident; the loudest in it survives, of equals the oldest.

    What has paged already need not page again for what turns out to be the same trouble.
    """
    groups: dict[int, tuple[list[Tracked], list[Case]]] = {}
    for node in nodes:
        new, cases = groups.setdefault(id(node.group()), ([], []))
        if node.case is None:
            new.append(node.tracked)
        elif not cases or cases[-1] is not node.case:
            cases.append(node.case)
    placement = Placement()
    for new, cases in groups.values():
        if not cases:
            placement.opens.append(new)
            continue
        survivor = min(cases, key=_survival)
        placement.joins.extend((one, survivor) for one in new)
        placement.merges.extend((case, survivor) for case in cases if case is not survivor)
    return placement


def _survival(case: Case) -> tuple[bool, int, float, str]:
    incident = case.incident
    paged = case.paged_at is not None
    return (not paged, -incident.severity.rank, incident.opened_at, incident.id)
