"""Telling receivers directly, out of the same durable outbox that Alertmanager is told from.

Alertmanager is sent an alert again and again; a person or a pager is told once that it fires and
once that it is over. A message counts as told when the receiver has said so: a connection that
breaks before that means that it is sent again under the same idempotency key, which a webhook,
PagerDuty and mail know it by. What could not be told in time is told late and says so; what ended
meanwhile is told once to people, and to programs as an alert that is closed a minute later.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from incidents.headline import plain
from incidents.peer import Outcome
from incidents.receivers._message import Event, message_of
from incidents.receivers._receiver import Answer, Receiver
from incidents.tracking import US
from store.outbox import Notice
from store.records import IncidentRecords
from vocabulary.contracts import Clock
from vocabulary.errors import ConfigError, NotFound, StoreError
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Activity, Incident

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CourierSettings:
    """How often is tried. Seconds."""

    late_seconds: float = 60.0
    """Told later than this after the fact is marked late."""
    retry_seconds: float = 5.0
    """The longest wait between attempts, so that a receiver that returns hears within ten."""
    hold_seconds: float = 60.0
    """What was over before a program could be told is closed there so long after it was opened:
    a pager that is told both at once would wake nobody."""
    poll_seconds: float = 1.0
    """How often the outbox is looked into."""


@dataclass(frozen=True, slots=True)
class Next:
    """What to do about one row: say *event*, or wait until *due_at*, or nothing more."""

    event: Event | None = None
    due_at: float | None = None


class Courier:
    """Every configured receiver, each in a thread of its own. Not *live*, nothing is sent."""

    def __init__(
        self,
        receivers: Mapping[str, Receiver],
        records: IncidentRecords,
        clock: Clock,
        *,
        live: bool,
        settings: CourierSettings | None = None,
    ) -> None:
        self.settings = settings or CourierSettings()
        self._receivers = dict(receivers) if live else {}
        self.receivers: tuple[str, ...] = tuple(self._receivers)
        """Names that notices are written for; none unless live."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """Messages by (receiver, outcome)."""
        self._records, self._clock = records, clock
        self._resume_at = dict.fromkeys(self.receivers, float("-inf"))
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Serve each receiver in a thread of its own: one that hangs delays no other."""
        for name in self.receivers:
            thread = threading.Thread(target=self._serve, args=(name,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; what is not told stays in the outbox."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2.0)

    def waiting(self) -> Mapping[str, int]:
        """Incidents that each receiver has never taken."""
        return {name: self._records.outbox.waiting(name) for name in self.receivers}

    def deliver(self, name: str) -> int:
        """Tell one receiver what is due until it fails; gives how many rows were moved on."""
        now, moved = self._clock.now(), 0
        if now < self._resume_at[name]:
            return 0
        for notice in self._records.outbox.due(name, now):
            if self._stopping.is_set() or not self._tell(name, notice):
                break
            moved += 1
        return moved

    def _serve(self, name: str) -> None:
        while not self._stopping.wait(self.settings.poll_seconds):
            try:
                while self.deliver(name):
                    pass
            except StoreError:
                log.exception("outbox cannot be read or written", receiver=name)

    def _tell(self, name: str, notice: Notice) -> bool:
        """Do what is next for one row; False when the receiver took it not."""
        now, receiver = self._clock.now(), self._receivers[name]
        incident = self._incident(notice)
        outbox = self._records.outbox
        if incident is None:
            outbox.update([replace(notice, settled_at=now)])
            return True
        step = self._next(receiver, notice, incident, now)
        if step.event is None:
            settled = now if step.due_at is None else None
            due = notice.due_at if step.due_at is None else step.due_at
            outbox.update([replace(notice, due_at=due, settled_at=settled)])
            return True
        message = message_of(notice, incident, step.event, now, self.settings.late_seconds)
        try:
            answer = receiver.send(message)
        except ConfigError as error:  # a secret's file is gone: it may come back
            answer = Answer(Outcome.UNREACHABLE, str(error))
        self.counts[name, answer.outcome.value] += 1
        if answer.outcome is Outcome.UNREACHABLE:
            self._failed(name, notice, answer)
            return False
        taken = self._taken(receiver, notice, step.event)
        if answer.outcome is Outcome.REFUSED:
            taken = replace(notice, settled_at=now, error=answer.said)
            log.warning("message refused", receiver=name, key=message.key, said=answer.said)
        outbox.update([taken])  # first of all: what is told once must not be told twice
        self._note(name, notice, step.event, answer, message.late_seconds)
        return True

    def _next(self, receiver: Receiver, notice: Notice, incident: Incident, now: float) -> Next:
        """What one row needs now."""
        over = notice.resolved_at is not None
        if notice.key.rpartition("/")[2] not in receiver.severities:
            return Next()
        if notice.accepted_at is None:
            return self._first(receiver, notice, incident, now)
        if not over or notice.closing_at is not None:
            return Next()
        if not receiver.pairs_events and self._outgrown(receiver, notice):
            return Next()  # people hear once that it is over, not once for each severity
        return Next(Event.RESOLVED)

    def _first(self, receiver: Receiver, notice: Notice, incident: Incident, now: float) -> Next:
        """What a row needs that was never told."""
        over, silence = notice.resolved_at is not None, incident.silenced_until
        if over and self._outgrown(receiver, notice):
            return Next()  # it became worse before this was told, and that is told
        if silence is not None and silence > now:
            return Next() if over else Next(due_at=silence)
        return Next(Event.FIRING)

    def _outgrown(self, receiver: Receiver, notice: Notice) -> bool:
        """Whether the same episode is told to this receiver at a higher severity."""
        incident_id, _, severity = notice.key.rpartition("/")
        critical = Severity.CRITICAL.value
        if severity == critical or critical not in receiver.severities:
            return False
        higher = self._records.outbox.find(notice.receiver, f"{incident_id}/{critical}")
        return higher is not None and higher.opened_at >= notice.opened_at

    def _taken(self, receiver: Receiver, notice: Notice, event: Event) -> Notice:
        """*notice* after *event* was taken."""
        now = self._clock.now()
        fresh = replace(notice, attempts=0, error="", due_at=now)
        if event is Event.RESOLVED:
            return replace(fresh, closing_at=now, settled_at=now)
        fresh = replace(fresh, accepted_at=now)
        if notice.resolved_at is None:
            return replace(fresh, settled_at=now)
        if receiver.pairs_events:
            return replace(fresh, due_at=now + self.settings.hold_seconds)
        return replace(fresh, closing_at=now, settled_at=now)

    def _failed(self, name: str, notice: Notice, answer: Answer) -> None:
        now, longest = self._clock.now(), self.settings.retry_seconds
        wait = min(longest, 0.5 * 2.0 ** min(notice.attempts, 10))
        wait = wait if answer.wait_seconds is None else answer.wait_seconds
        self._resume_at[name] = now + wait
        if notice.attempts == 0:
            log.warning("message not taken", receiver=name, said=answer.said)
        failed = replace(notice, attempts=notice.attempts + 1, due_at=now + wait, error=answer.said)
        self._records.outbox.update([failed])

    def _note(
        self, name: str, notice: Notice, event: Event, answer: Answer, late: float | None
    ) -> None:
        incident_id, severity = notice.key.partition("/")[0], notice.key.rpartition("/")[2]
        what = "notified" if answer.outcome is Outcome.ACCEPTED else "not notified"
        how = f", late by {late:.0f} s" if late is not None else ""
        over = " that it is over" if event is Event.RESOLVED else ""
        why = f": {plain(answer.said, 200)}" if answer.said else ""
        act = Activity(self._clock.now(), US, what, f"{severity} to {name}{over}{how}{why}")
        self._records.save(acts=[(incident_id, act)])

    def _incident(self, notice: Notice) -> Incident | None:
        try:
            return self._records.get(notice.key.partition("/")[0])
        except NotFound:
            return None
