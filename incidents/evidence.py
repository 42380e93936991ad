"""What an incident keeps of its findings' evidence: the numbers, and the query that shows them."""

import math
from collections.abc import Iterable

from incidents.tracking import Tracked
from store.dialect import Dialect
from store.promql import render_signal
from vocabulary.entities import EntityKind
from vocabulary.findings import Evidence
from vocabulary.incidents import EvidenceRecord
from vocabulary.signals import BY_NAME

LABEL_OF = {
    EntityKind.REPLICA: "replica",
    EntityKind.GPU: "gpu",
    EntityKind.NODE: "node",
    EntityKind.POOL: "pool",
    EntityKind.ROUTE: "model",
    EntityKind.TENANT: "tenant",
    EntityKind.TARGET: "target",
    EntityKind.CLUSTER: "cluster",
}
"""The label by which a series is about an entity."""


def gather(
    old: Iterable[EvidenceRecord], tracked: Iterable[Tracked], limit: int
) -> tuple[EvidenceRecord, ...]:
    """The newest observation of each signal on each entity, findings first seen first.

    What was known stays when a finding has ended: an incident can be read after the fact.
    """
    found = {_subject(record): record for record in old}
    for one in tracked:
        for evidence in one.evidence:
            record = _record(evidence, one)
            found[_subject(record)] = record
    return tuple(found.values())[:limit]


def query_of(evidence: Evidence | EvidenceRecord, dialect: Dialect | None = None) -> str:
    """PromQL that shows *evidence*, or an empty string for a signal that is no word of ours.

    A backend that does not know our words is asked in its *dialect*.
    """
    signal = BY_NAME.get(evidence.signal)
    if signal is None:
        return ""
    return render_signal(signal, {LABEL_OF[evidence.entity.kind]: evidence.entity.id}, dialect)


def _subject(record: EvidenceRecord) -> tuple[str, str, bool]:
    return (record.signal, str(record.entity), record.speaks_against)


def _record(evidence: Evidence, tracked: Tracked) -> EvidenceRecord:
    return EvidenceRecord(
        id=evidence.id,
        signal=evidence.signal,
        entity=evidence.entity,
        promql=query_of(evidence),
        start=evidence.start,
        end=max(evidence.end, evidence.start),
        observed=_finite(evidence.observed),
        expected=_finite(evidence.expected),
        lower=_finite(evidence.lower),
        upper=_finite(evidence.upper),
        unit=evidence.unit,
        text=evidence.text[:500] or tracked.text[:500],
        speaks_against=evidence.speaks_against,
    )


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN; unknown is None."""
    return float(value) if value is not None and math.isfinite(value) else None
