"""Alerts of other systems: Alertmanager's webhook, version 4, as findings.

An alert whose name is one of our failure modes is that failure mode; every other one is
`unclassified` and becomes context of an incident at the same place, or a ticket. A webhook may
arrive twice, out of order and cut short: alerts are known by fingerprint and start, what is held
is bounded and survives a restart, and what was cut off is counted.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from incidents.announcement import alert_name
from incidents.headline import plain
from store.records import IncidentRecords
from vocabulary import failure_modes
from vocabulary.entities import Entity, EntityKind
from vocabulary.errors import RequestRefused
from vocabulary.failure_modes import UNCLASSIFIED, FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.incidents import from_rfc3339

SNAPSHOT = "alerts_in"

MAX_ALERTS = 1000
"""Alerts of one webhook that are looked at; Alertmanager can be told to send no more
(`max_alerts`)."""
MAX_HELD = 5000
"""Alerts that are held as firing; the oldest are let go."""
MAX_LABELS = 64
MAX_TEXT = 300
EXPIRE_SECONDS = 86400.0
"""An alert that is not repeated for so long is over, even if its end never arrived: twice the
twelve hours after which kube-prometheus repeats."""

BY_ALERT_NAME = {alert_name(mode): mode for mode in failure_modes.ALL}

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "info": Severity.INFO,
    "none": Severity.INFO,
}

_KINDS = (
    (EntityKind.REPLICA, ("replica",)),
    (EntityKind.GPU, ("gpu_uuid", "UUID")),
    (EntityKind.TENANT, ("tenant",)),
    (EntityKind.NODE, ("node", "Hostname", "hostname")),
    (EntityKind.POOL, ("pool",)),
    (EntityKind.ROUTE, ("model", "model_name")),
)
"""Labels that say who an alert is about, narrowest first; ours, and those of the exporters of
vLLM, DCGM and kube-state-metrics."""


@dataclass(frozen=True, slots=True)
class Held:
    """One firing alert of somebody else."""

    fingerprint: str
    starts_at: float
    seen_at: float
    labels: dict[str, str]
    text: str


class AlertInbox:
    """Alerts that fire elsewhere. Safe to call from several threads."""

    def __init__(self, records: IncidentRecords) -> None:
        self._records = records
        self._lock = threading.Lock()
        kept = records.snapshot(SNAPSHOT)
        self._held = {one["fingerprint"]: Held(**one) for one in kept[0]} if kept else {}
        self._ended: dict[tuple[str, float], None] = {}
        self.truncated = 0
        """Alerts that webhooks said they left out, or that were past our own limits."""
        self.echoes = 0
        """Alerts that were our own coming back."""

    def receive(self, body: Mapping[str, Any], now: float) -> int:
        """Take a webhook; gives how many of its alerts said something new.

        Raises:
            RequestRefused: It is no webhook of version 4.
        """
        alerts = body.get("alerts")
        if body.get("version") != "4" or not isinstance(alerts, list):
            raise RequestRefused("webhook", 'this is no Alertmanager webhook of version "4"')
        told = [_parsed(alert) for alert in alerts[:MAX_ALERTS]]
        with self._lock:
            cut = body.get("truncatedAlerts")
            self.truncated += max(0, len(alerts) - MAX_ALERTS)
            self.truncated += cut if isinstance(cut, int) and cut > 0 else 0
            new = sum(self._take(one, now) for one in told)
            self._bound()
            if told:
                kept = [asdict(one) for one in self._held.values()]
                self._records.save_snapshot(SNAPSHOT, kept, now)
        return new

    def findings(self, now: float) -> list[Finding]:
        """A finding for every alert that fires at *now*."""
        with self._lock:
            self._held = {
                name: one for name, one in self._held.items() if now - one.seen_at <= EXPIRE_SECONDS
            }
            return [as_finding(one, now) for one in self._held.values()]

    def _take(self, told: tuple[Held, bool], now: float) -> bool:
        alert, over = replace(told[0], seen_at=now), told[1]
        if alert.labels.get("source") == "tidegauge":
            self.echoes += 1
            return False
        key, known = (alert.fingerprint, alert.starts_at), self._held.get(alert.fingerprint)
        if over:
            self._ended[key] = None
            if known is not None and known.starts_at <= alert.starts_at:
                del self._held[alert.fingerprint]
                return True
            return False
        if key in self._ended:
            return False  # a late repeat of what is over
        self._held[alert.fingerprint] = alert
        return known is None or known.starts_at != alert.starts_at

    def _bound(self) -> None:
        for name in list(self._held)[: max(0, len(self._held) - MAX_HELD)]:
            del self._held[name]
            self.truncated += 1
        for key in list(self._ended)[: max(0, len(self._ended) - MAX_HELD)]:
            del self._ended[key]


def as_finding(held: Held, now: float) -> Finding:
    """*held* in our words."""
    name = plain(held.labels.get("alertname", ""), 100) or "alert"
    mode = BY_ALERT_NAME.get(name, UNCLASSIFIED)
    about = tuple(_entities(held.labels))
    itself = Entity(EntityKind.TARGET, f"alert/{held.fingerprint}", name)
    entity = about[0] if about and mode is not UNCLASSIFIED else itself
    since = min(held.starts_at, now)
    return Finding(
        failure_mode=mode,
        entity=entity,
        since=since,
        at=now,
        severity=_severity(held.labels, mode),
        confidence=0.6,
        evidence=(Evidence(name, entity, since, now, None, held.text),),
        text=held.text,
        detector="alertmanager",
        pool=held.labels.get("pool", ""),
        model=held.labels.get("model", held.labels.get("model_name", "")),
        tenant=held.labels.get("tenant", ""),
        related=tuple(one for one in about if one != entity),
    )


def _entities(labels: Mapping[str, str]) -> Iterable[Entity]:
    for kind, names in _KINDS:
        value = next((labels[name] for name in names if labels.get(name)), "")
        if value:
            yield Entity(kind, value)


def _severity(labels: Mapping[str, str], mode: FailureMode) -> Severity:
    told = _SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING)
    # Whoever sent it has paged already.
    quiet = mode is UNCLASSIFIED and told is Severity.CRITICAL
    return Severity.WARNING if quiet else told


def _parsed(alert: Any) -> tuple[Held, bool]:
    """An alert of a webhook, and whether it is over."""
    labels = alert.get("labels") if isinstance(alert, Mapping) else None
    starts_at = _moment(alert)
    if not isinstance(labels, Mapping) or starts_at is None:
        raise RequestRefused("webhook", "an alert lacks labels or an RFC 3339 startsAt")
    bounded = list(labels.items())[:MAX_LABELS]
    known = {str(name)[:100]: plain(str(value), MAX_TEXT) for name, value in bounded}
    fingerprint = str(alert.get("fingerprint") or _fingerprint(known))[:64]
    held = Held(fingerprint, starts_at, starts_at, known, _text(alert, known))
    return held, alert.get("status") == "resolved"


def _moment(alert: Any) -> float | None:
    try:
        return from_rfc3339(str(alert["startsAt"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _text(alert: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    annotations = alert.get("annotations")
    told = annotations if isinstance(annotations, Mapping) else {}
    text = next((str(told[name]) for name in ("summary", "description") if told.get(name)), "")
    return plain(text or labels.get("alertname", "alert"), MAX_TEXT)


def _fingerprint(labels: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]
