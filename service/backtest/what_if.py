"""What other settings of the desk would have made of the same findings: proven by running it again.

Findings cost nearly all of a replay and do not depend on how loud the desk is. They are kept, and
the desk alone is run anew under each candidate, over the same series.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from incidents.settings import DeskSettings
from service import assembly
from service.backtest.known import Known, Outcome, judge
from service.backtest.past import Past
from service.backtest.reading_ahead import ReadingAhead
from service.backtest.replay import Replayed
from service.backtest.span import Span
from service.backtest.telling import PAGE, TICKET, Telling, tellings
from service.clock import ManualClock
from service.config import Config
from service.pipeline import Frames
from store.records import IncidentRecords
from vocabulary.entities import Change, Gpu, Replica
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

MOST_KEPT = 3_000_000
"""Entities of all kept moments together, about 300 MB; beyond it nothing is run again."""
_BUDGET = "pages_per_week"
GPUS_EVERY = 60.0
"""GPUs of a scene are kept once a minute: each look makes new ones of all of them."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the desk is shown at one tick."""

    now: float
    findings: tuple[Finding, ...]
    replicas: tuple[Replica, ...]
    gpus: tuple[Gpu, ...]
    changes: tuple[Change, ...]


@dataclass(slots=True)
class Kept:
    """The moments at which a desk had anything to do; give `watch` to a replay."""

    linger: float = DeskSettings().max_quiet_seconds + 900.0
    """Seconds after the last finding that any incident may still be open, and so are kept."""
    moments: list[Moment] = field(default_factory=list)
    full: bool = False
    _busy_until: float = 0.0
    _held: int = 0
    _replicas: dict[str, Replica] = field(default_factory=dict)
    _gpus: tuple[float, tuple[Gpu, ...]] = (float("-inf"), ())

    def watch(self, scene: Scene, findings: Sequence[Finding]) -> None:
        """Keep one moment, if anything goes on."""
        if findings:
            self._busy_until = scene.now + self.linger
        if scene.now > self._busy_until or self.full:
            return
        if scene.now - self._gpus[0] >= GPUS_EVERY:
            self._gpus = (scene.now, scene.gpus)
            self._held += len(scene.gpus)
        replicas = tuple(self._one(replica) for replica in scene.replicas)
        self._held += 1 + len(findings) + len(replicas) // 20  # a replica that stays is a reference
        kept = (scene.now, tuple(findings), replicas, self._gpus[1], scene.changes)
        self.moments.append(Moment(*kept))
        self.full = self._held > MOST_KEPT

    def _one(self, replica: Replica) -> Replica:
        known = self._replicas.get(replica.entity.id)
        if known == replica:
            return known
        self._replicas[replica.entity.id] = replica
        return replica


@dataclass(frozen=True, slots=True)
class Counts:
    """How often anybody would have been told."""

    pages: int
    tickets: int

    @classmethod
    def of(cls, told: Sequence[Telling]) -> "Counts":
        """Of what was told."""
        how = [one.how for one in told]
        return cls(how.count(PAGE), how.count(TICKET))

    def quieter_than(self, other: "Counts") -> bool:
        """Fewer of one and more of none; a page that becomes a ticket counts as well."""
        fewer = self.pages + self.tickets <= other.pages + other.tickets
        return fewer and self != other and self.pages <= other.pages


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting that would have made this past quieter, and what it would have cost."""

    setting: str
    """As it is written in the configuration: `incidents.persistence_seconds`."""
    was: float
    value: float
    before: Counts
    after: Counts
    spared: tuple[str, ...]
    """Incidents of which nobody would have been told."""
    softened: tuple[str, ...]
    """Incidents that would have been a ticket instead of a page."""
    lost: tuple[Known, ...]
    """Known incidents that would have been missed or found late by it."""
    known: int
    """How many known incidents there were to lose."""


def suggestions(
    config: Config,
    past: Past,
    said: Replayed,
    kept: Kept,
    known: Sequence[Known],
    folder: Path,
    *,
    told: Callable[[int, int], object] = lambda _done, _all: None,
) -> list[Suggestion]:
    """Every candidate that would have been quieter and lost nothing that is known, best first."""
    before = tellings(said.incidents.values())
    candidates = list(_candidates(config, said, before)) if not kept.full else []
    found = []
    for place, (name, was, value) in enumerate(candidates, 1):
        told(place, len(candidates))
        other = _with(config, name, value)
        where = folder / f"what-if-{place}"
        incidents = desk_again(other, past, said.span, kept.moments, where)
        one = _compared(name, was, value, said, incidents, known)
        if one.after.quieter_than(one.before) and not one.lost:
            found.append(one)
    return sorted(found, key=lambda one: (one.after.pages, one.after.tickets, one.value))


def desk_again(
    config: Config, past: Past, span: Span, moments: Sequence[Moment], folder: Path
) -> dict[str, Incident]:
    """The incidents that a desk of *config* makes of *moments*, by id."""
    clock = ManualClock(span.start)
    records = IncidentRecords(folder / assembly.CONTROL_FILE)
    book = assembly.price_book(config.settings, demo=past.simulated)
    desk = assembly.desk_of(config, records, book, clock, receivers=())
    frames = Frames(ReadingAhead(past.asking, span.end))
    found: dict[str, Incident] = {}
    try:
        for one in moments:
            clock.move_to(one.now)
            scene = Scene(
                now=one.now,
                frame=frames.at(one.now),
                replicas=one.replicas,
                gpus=one.gpus,
                changes=one.changes,
                troubled=desk.troubled(),
                interval=span.interval,
            )
            found.update((incident.id, incident) for incident in desk.tick(one.findings, scene))
    finally:
        records.close()
    return found


def _candidates(
    config: Config, said: Replayed, before: Sequence[Telling]
) -> Iterator[tuple[str, float, float]]:
    """Settings that may help with what was told: (key, as it is, as it could be)."""
    desk = config.part("incidents", DeskSettings)
    pages = [one for one in before if one.how == PAGE]
    if pages:
        for seconds in (300.0, 600.0):
            if seconds > desk.persistence_seconds:
                yield "incidents.persistence_seconds", desk.persistence_seconds, seconds
    short = [one for one in said.incidents.values() if one.resolved_at is not None]
    if any(one.how == TICKET for one in before) and short:
        for seconds in (900.0, 1800.0):
            if seconds > desk.ticket_seconds:
                yield "incidents.ticket_seconds", desk.ticket_seconds, seconds
    if _comes_again(said):
        for seconds in (1800.0, 3600.0):
            if seconds > desk.quiet_seconds:
                yield "incidents.quiet_seconds", desk.quiet_seconds, seconds
    weeks = max(1.0, said.span.seconds / (7 * 86400.0))
    budget = config.settings.pages_per_week
    for fewer in sorted({budget // 2, budget // 4} - {0}, reverse=True):
        if len(pages) / weeks > fewer:
            yield _BUDGET, budget, fewer


def _comes_again(said: Replayed) -> bool:
    """Whether one kind of trouble at one place came, went and came again."""
    seen: set[tuple[str, str]] = set()
    for one in said.incidents.values():
        key = (one.failure_mode.word, str(one.entity))
        if key in seen or any(line.what == "reopened" for line in one.activity):
            return True
        seen.add(key)
    return False


def _with(config: Config, name: str, value: float) -> Config:
    if name == _BUDGET:
        return replace(config, settings=replace(config.settings, pages_per_week=int(value)))
    section, _, key = name.partition(".")
    fields: dict[str, Any] = {**config.parts.get(section, {}), key: value}
    return replace(config, parts={**config.parts, section: fields})


def _compared(
    name: str,
    was: float,
    value: float,
    said: Replayed,
    incidents: dict[str, Incident],
    known: Sequence[Known],
) -> Suggestion:
    before, after = tellings(said.incidents.values()), tellings(incidents.values())
    was_told, is_told = ({one.incident.id for one in part} for part in (before, after))
    was_page, is_page = (
        {one.incident.id for one in part if one.how == PAGE} for part in (before, after)
    )
    pairs = zip(judge(known, before, said.until), judge(known, after, said.until), strict=True)
    lost = [
        old.known
        for old, new in pairs
        if old.outcome is not new.outcome and new.outcome in (Outcome.MISSED, Outcome.LATE)
    ]
    return Suggestion(
        name,
        was,
        value,
        Counts.of(before),
        Counts.of(after),
        tuple(sorted(was_told - is_told)),
        tuple(sorted((was_page - is_page) & is_told)),
        tuple(lost),
        len(known),
    )
