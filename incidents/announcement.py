"""An incident as an Alertmanager alert: labels say which it is, annotations say how it stands.

Labels are set once, when an incident is first announced, and never hold a measured value: a
changed label is another alert to Alertmanager, and another page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.identity import parse_replica_id
from incidents.headline import plain
from incidents.settings import DeskSettings
from incidents.tracking import Case
from store.outbox import Notice
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.incidents import Incident, IncidentState, rfc3339

MAX_LABEL = 200
"""Characters of a label value; Alertmanager takes more, phones do not."""

UNKNOWN_NAMESPACE = "none"
"""Every alert has a namespace: stock inhibition compares it, and takes absent for equal."""


def alert_name(mode: FailureMode) -> str:
    """`engine_stalled` is `EngineStalled`, as in the rule files."""
    return "".join(part.capitalize() for part in mode.word.split("_"))


def identity(case: Case) -> dict[str, str]:
    """Labels of an incident, without its severity."""
    incident = case.incident
    labels = {
        "alertname": alert_name(incident.failure_mode),
        "incident_id": incident.id,
        "code": incident.failure_mode.code,
        "incident_class": incident.failure_mode.family,
        "namespace": _namespace(incident),
        "pool": incident.pool,
        "model": incident.model,
        "node": _only_node(case),
        "source": "tidegauge",
    }
    return {n: said for n, value in labels.items() if (said := plain(value, MAX_LABEL))}


def notices(case: Case, receivers: Sequence[str], now: float) -> list[Notice]:
    """What every receiver should know about *case* now: one alert for each severity it has had."""
    told: list[Notice] = []
    for severity, opened_at in case.announced.items():
        current = case.live and severity == case.incident.severity.value
        ended = None if current else case.incident.resolved_at or now
        body = _body(case, severity)
        told.extend(
            Notice(receiver, f"{case.incident.id}/{severity}", body, opened_at, now, None, ended)
            for receiver in receivers
        )
    return told


def announce(case: Case, now: float, settings: DeskSettings) -> None:
    """Note that *case* is to be told at its severity from now on; context is not told at all.

    A page is told at once. A ticket waits its while, for it may become a page; one that is back
    is the same ticket.
    """
    severity = case.incident.severity
    if severity is Severity.INFO or not case.live or severity.value in case.announced:
        return
    waits = now - case.incident.opened_at < settings.ticket_seconds
    page = severity is Severity.CRITICAL
    if not page and (case.tellings or waits):
        return
    if not case.labels:
        case.labels = identity(case)
    case.announced[severity.value] = now
    case.tellings += 1
    if not page:
        case.act(now, "ticketed", case.incident.title)


def _body(case: Case, severity: str) -> Mapping[str, Any]:
    incident = case.incident
    links = dict(incident.links)
    annotations = {
        "summary": incident.title,
        "description": incident.headline,
        "runbook_url": links.get("Runbook", ""),
        "incident_url": links.get("Incident", ""),
        "state": incident.state.value,
    }
    if incident.state is IncidentState.ACKNOWLEDGED:
        annotations["assignee"] = plain(incident.assignee, MAX_LABEL)
    return {
        "labels": {**case.labels, "severity": severity},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": rfc3339(incident.since),
        "generatorURL": links.get("Incident", ""),
    }


def _namespace(incident: Incident) -> str:
    for entity in (incident.entity, *incident.entities):
        pod = parse_replica_id(entity.id) if entity.kind is EntityKind.REPLICA else None
        if pod is not None:
            return pod.namespace
    namespace, slash, _ = incident.pool.partition("/")
    return namespace if slash and namespace else UNKNOWN_NAMESPACE


def _only_node(case: Case) -> str:
    """The node of hardware trouble, so that a dead node can inhibit what it causes."""
    if case.incident.failure_mode.family != "hardware":
        return ""
    nodes = {
        place.partition("/")[2]
        for one in case.main()
        for place in one.acts_on
        if place.startswith("node/")
    }
    return nodes.pop() if len(nodes) == 1 else ""
