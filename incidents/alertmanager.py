"""Telling Alertmanager: every peer, at least once, from an outbox that survives us and them.

Alertmanager keeps no alerts over a restart and forgets a firing one at its `endsAt`, so firing
alerts are sent again before that and resolved ones for five minutes more (Alertmanager's own rule
for clients). What could not be told while a peer was away is told when it is back, marked late;
an incident that ended meanwhile is announced first and held open long enough for a notification
to leave, since Alertmanager never notifies of an alert that it only ever saw resolved.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import structlog

from incidents.peer import Outcome, Peer
from incidents.silencing import Silencer
from incidents.tracking import US
from store.outbox import Notice
from store.records import IncidentRecords
from vocabulary.contracts import Clock
from vocabulary.errors import StoreError
from vocabulary.incidents import Activity, from_rfc3339, rfc3339

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """How alerts are kept alive. Seconds."""

    resend_seconds: float = 60.0
    """A firing alert is sent again so often; Prometheus' own default."""
    ends_after_seconds: float = 240.0
    """`endsAt` of a firing alert lies so far ahead: four resends, as Prometheus does."""
    resolved_seconds: float = 300.0
    """A resolved alert is sent again for so long (Alertmanager: docs, alerts API)."""
    hold_seconds: float = 390.0
    """An alert is kept firing at least so long after it was first taken, so that it is notified:
    kube-prometheus groups wait 30 s and then 5 min, and a minute is added."""
    late_seconds: float = 60.0
    """Told later than this after the fact is marked late."""
    retry_seconds: float = 5.0
    """The longest wait between attempts, so that a peer that returns hears within ten seconds."""
    poll_seconds: float = 1.0
    """How often the outbox is looked into."""
    timeout_seconds: float = 5.0
    """Deadline of one request."""


class Alertmanager:
    """A cluster of Alertmanagers. Not *live* (a simulated or replayed clock), nothing is sent."""

    def __init__(
        self,
        peers: Sequence[str],
        records: IncidentRecords,
        clock: Clock,
        *,
        live: bool,
        headers: Mapping[str, str] | None = None,
        settings: AlertmanagerSettings | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.settings = settings or AlertmanagerSettings()
        self.receivers: tuple[str, ...] = tuple(dict.fromkeys(peers)) if live else ()
        """Peers that notices are written for; none unless live."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """Alerts by (receiver, outcome)."""
        self._records, self._clock = records, clock
        # Alertmanagers are neighbours: a proxy from the environment would only hear our token.
        self._client = client or httpx2.Client(
            timeout=self.settings.timeout_seconds, trust_env=False
        )
        self._peers = {url: Peer(url, self._client, headers or {}) for url in self.receivers}
        self._silencer = Silencer(self.settings.resend_seconds)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Serve each peer in a thread of its own: one that hangs delays no other."""
        for url in self.receivers:
            thread = threading.Thread(target=self._serve, args=(url,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; what is not told stays in the outbox."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(self.settings.timeout_seconds + 1.0)
        self._client.close()

    def deliver(self, url: str) -> int:
        """Tell one peer what is due; gives how many alerts it took.

        Silences go first, so that nothing that was silenced pages because a peer lost them.
        """
        now = self._clock.now()
        peer = self._peers[url]
        self._silencer.mirror(peer, self._records.silences(now), now)
        due = self._records.outbox.due(url, now)
        return self._send(peer, due, now) if due else 0

    def waiting(self) -> Mapping[str, int]:
        """Alerts that each peer has never taken."""
        return {url: self._records.outbox.waiting(url) for url in self.receivers}

    def _serve(self, url: str) -> None:
        while not self._stopping.wait(self.settings.poll_seconds):
            try:
                while self.deliver(url):
                    pass
            except StoreError:
                log.exception("outbox cannot be read or written", receiver=url)

    def _send(self, peer: Peer, due: Sequence[Notice], now: float) -> int:
        alerts = [alert(notice, now, self.settings) for notice in due]
        outcome, said = peer.post_alerts(alerts)
        if outcome is Outcome.REFUSED and len(due) > 1:
            # One alert it cannot take must not hold up the others.
            return sum(self._send(peer, [notice], now) for notice in due)
        self.counts[peer.url, outcome.value] += len(due)
        if outcome is Outcome.ACCEPTED:
            self._records.outbox.update(accepted(notice, now, self.settings) for notice in due)
            self._note(peer.url, due, now)
            return len(due)
        self._silencer.lost(peer.url)
        settled = now if outcome is Outcome.REFUSED else None
        self._records.outbox.update(
            replace(failed(notice, now, said, self.settings), settled_at=settled) for notice in due
        )
        log.warning("alerts not taken", receiver=peer.url, outcome=outcome.value, said=said)
        return 0

    def _note(self, url: str, due: Sequence[Notice], now: float) -> None:
        acts = []
        for notice in due:
            if notice.accepted_at is None:
                late = now - notice.opened_at
                how = f", late by {late:.0f} s" if late > self.settings.late_seconds else ""
                incident_id, _, severity = notice.key.partition("/")
                acts.append(
                    (incident_id, Activity(now, US, "notified", f"{severity} to {url}{how}"))
                )
        self._records.save(acts=acts)


def closing(notice: Notice, now: float, settings: AlertmanagerSettings) -> bool:
    """Whether it is time to say that it is over: never before it could be notified as firing."""
    return (
        notice.resolved_at is not None
        and notice.accepted_at is not None
        and now >= notice.accepted_at + settings.hold_seconds
    )


def alert(notice: Notice, now: float, settings: AlertmanagerSettings) -> dict[str, Any]:
    """What to send for *notice* at *now*."""
    body = dict(notice.body)
    started = from_rfc3339(body["startsAt"]) or 0.0
    if closing(notice, now, settings):
        ends = max(started + 0.001, min(notice.resolved_at or now, now))
    else:
        ends = now + settings.ends_after_seconds
    late = (now if notice.accepted_at is None else notice.accepted_at) - notice.opened_at
    if late > settings.late_seconds:
        told = f"told {late:.0f} s late: Alertmanager could not be reached"
        annotations = dict(body["annotations"])
        annotations["late"] = told
        annotations["summary"] = f"LATE: {annotations.get('summary', '')}"
        body["annotations"] = annotations
    return {**body, "endsAt": rfc3339(ends)}


def accepted(notice: Notice, now: float, settings: AlertmanagerSettings) -> Notice:
    """*notice* after it was taken."""
    due = now + settings.resend_seconds
    fresh = replace(notice, attempts=0, error="")
    if closing(notice, now, settings):
        first = now if notice.closing_at is None else notice.closing_at
        over = now >= first + settings.resolved_seconds
        return replace(fresh, closing_at=first, due_at=due, settled_at=now if over else None)
    taken = now if notice.accepted_at is None else notice.accepted_at
    if notice.resolved_at is not None:
        due = min(due, taken + settings.hold_seconds)
    return replace(fresh, accepted_at=taken, due_at=due)


def failed(notice: Notice, now: float, said: str, settings: AlertmanagerSettings) -> Notice:
    """*notice* after it was not taken: again soon, and ever less eagerly up to the longest wait."""
    wait = min(settings.retry_seconds, 0.5 * 2.0 ** min(notice.attempts, 10))
    return replace(notice, attempts=notice.attempts + 1, due_at=now + wait, error=said)
