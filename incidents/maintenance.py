"""Maintenance: what is found where work is being done is recorded, and told to nobody.

A finding is in a window when all that the window names fits it: the failure mode, and each place,
which must be the only one of its kind that the finding touches: a node down that carries two
pools is not hushed by the maintenance of one of them.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from incidents.page_budget import Verdict, Withheld
from incidents.tracking import Case, Tracked
from store.maintenance import Maintenance, Window
from store.records import IncidentRecords
from vocabulary.errors import ConflictError, NotFound, RequestRefused
from vocabulary.failure_modes import BY_WORD, Severity
from vocabulary.incidents import Activity, rfc3339

RULE = "maintenance"
"""By which rule a page or ticket is withheld."""
LONGEST = 14 * 86400.0
"""Work that takes longer should be in smaller windows, or be another scope; our judgement."""
AHEAD = 90 * 86400.0
"""How long before it begins a window may be made."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A window that somebody asks for."""

    starts_at: float
    seconds: float
    reason: str
    entity: str = ""
    pool: str = ""
    node: str = ""
    failure_mode: str = ""


@dataclass(slots=True)
class MaintenanceBook:
    """Who works where, and until when. Safe to call from several threads."""

    records: IncidentRecords
    _now: tuple[Window, ...] = ()
    """Those of the current tick."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def _table(self) -> Maintenance:
        return self.records.maintenance

    def wanted(self, wish: Wish, who: str, now: float, key: str | None = None) -> Window:
        """The window that *wish* would make; nothing is kept.

        Raises:
            RequestRefused: It names no place and no failure mode, is over, or too long.
        """
        if not any((wish.entity, wish.pool, wish.node, wish.failure_mode)):
            raise RequestRefused("scope", "name an entity, a pool, a node or a failure mode")
        if wish.failure_mode and wish.failure_mode not in BY_WORD:
            raise RequestRefused("scope", f"there is no failure mode {wish.failure_mode[:60]!r}")
        if not 60.0 <= wish.seconds <= LONGEST:
            raise RequestRefused("time", f"a window lasts 1 min to {LONGEST / 86400.0:g} d")
        if not now - 60.0 <= wish.starts_at <= now + AHEAD:
            raise RequestRefused("time", f"a window begins now or within {AHEAD / 86400.0:g} d")
        told = key or f"{wish}|{who}"
        name = f"mw-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
        places = (wish.entity, wish.pool, wish.node, wish.failure_mode)
        end = wish.starts_at + wish.seconds
        return Window(name, wish.starts_at, end, who[:200], wish.reason[:500], *places)

    def open(self, wish: Wish, who: str, now: float, key: str | None = None) -> Window:
        """Make the window that *wish* asks for; the same key makes it once."""
        with self._lock:
            window = self.wanted(wish, who, now, key)
            known = self._table.get(window.id)
            if known is not None:
                return known
            self._table.put(window)
            until = rfc3339(window.ends_at)
            self._note(window, now, who, "maintenance opened", f"until {until}: {window.reason}")
            return window

    def end(self, window_id: str, who: str, now: float) -> Window:
        """End a window before its time; one that never began is taken back.

        Raises:
            NotFound: There is none with this id.
            ConflictError: It is over.
        """
        with self._lock:
            window = self._table.get(window_id)
            if window is None:
                raise NotFound(f"there is no maintenance window {window_id[:80]!r}; list them")
            if window.ends_at <= now:
                raise ConflictError(f"{window_id} is over")
            ended = replace(
                window, starts_at=min(window.starts_at, now), ends_at=now, ended_by=who[:200]
            )
            self._table.put(ended)
            self._note(ended, now, who, "maintenance ended", window.reason)
            return ended

    def listed(self, since: float) -> list[Window]:
        """Windows that were not over at *since*, those to come included."""
        return self._table.ending_after(since)

    def look(self, now: float) -> None:
        """Take in which windows hold at this tick."""
        windows = self._table.ending_after(now)
        self._now = tuple(one for one in windows if one.starts_at <= now)

    def quieted(self, case: Case, active: Sequence[Tracked], verdict: Verdict) -> Verdict:
        """*verdict* on *case*, withheld while all of its *active* findings are being worked on.

        What was paged before work began stays so. Findings that stop while it is hushed are no
        reason to tell of it after all.
        """
        if case.paged_at is not None:
            return verdict
        if not active and case.withheld == RULE:
            return Verdict(verdict.severity, Withheld(RULE, ""))
        windows = [covering(self._now, one.mode.word, str(one.entity), one.acts_on)
                   for one in active]  # fmt: skip
        if not windows or None in windows:
            return verdict
        softer = min(verdict.severity, Severity.WARNING, key=lambda one: one.rank)
        first = next(one for one in windows if one is not None)
        why = f"in maintenance {first.id} of {first.who}: {first.reason or 'no reason given'}"
        return Verdict(softer, Withheld(RULE, why))

    def _note(self, window: Window, now: float, who: str, what: str, text: str) -> None:
        self.records.save(acts=[(window.id, Activity(now, who, what, text))])


def covering(
    windows: Iterable[Window], mode: str, entity: str, places: Iterable[str]
) -> Window | None:
    """The first of *windows* that holds for a finding of *mode* on *entity* touching *places*."""
    touched: dict[str, set[str]] = {}
    for place in (entity, *places):
        touched.setdefault(place.partition("/")[0], set()).add(place)
    return next((one for one in windows if _covers(one, mode, entity, touched)), None)


def _covers(window: Window, mode: str, entity: str, touched: Mapping[str, set[str]]) -> bool:
    if window.failure_mode and mode and window.failure_mode != mode:
        return False
    named = (window.entity, window.pool and f"pool/{window.pool}",
             window.node and f"node/{window.node}")  # fmt: skip
    tenant = entity.startswith("tenant/")
    return all(
        place == entity or (not tenant and touched.get(place.partition("/")[0]) == {place})
        for place in named
        if place
    )


def window_json(window: Window, now: float) -> dict[str, Any]:
    """A window as the API tells it."""
    state = "over" if window.ends_at <= now else "active" if window.starts_at <= now else "planned"
    return {
        "id": window.id,
        "state": state,
        "starts_at": rfc3339(window.starts_at),
        "ends_at": rfc3339(window.ends_at),
        "who": window.who,
        "reason": window.reason,
        "scope": {
            "entity": window.entity,
            "pool": window.pool,
            "node": window.node,
            "failure_mode": window.failure_mode,
        },
        "ended_by": window.ended_by,
    }
