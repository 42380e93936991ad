"""What one case leaves behind: what really happened, and what the chain said of it when.

A record is data for the scorer and nothing else: scoring again needs no new run.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.drill.case import Case
from service.drill.chain import Chain
from service.drill.provenance import commit
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Incident

SCHEMA = 1
"""Version of a record; a change is a changelog line."""


def play(case: Case, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run *case* and give its record.

    Incidents are noted as they stood when each fault should have been found, and at the end: what
    an engineer reads who opens the page in time, and how often anybody was told in all.
    """
    began, used = time.perf_counter(), time.process_time()
    with TemporaryDirectory(prefix="tidegauge-drill-") as folder:
        chain = Chain.over(case, Path(folder), overrides)
        try:
            end = case.start + case.seconds
            granted = case.trial.hardship.blind if case.trial else 0.0
            deadlines = {
                position: min(end, injection.at + injection.fault.detect_within + granted)
                for position, injection in enumerate(chain.injections)
                if not injection.fault.benign
            }
            seen: dict[int, list[dict[str, Any]]] = {}
            for position, deadline in sorted(deadlines.items(), key=lambda one: one[1]):
                chain.run(deadline)
                seen[position] = incidents(chain.incidents.values())
            chain.run(end)
            truths = [injection.truth() for injection in chain.injections]
            for position, truth in enumerate(truths):
                truth["seen"] = seen.get(position, [])
            final = incidents(chain.incidents.values())
        finally:
            chain.close()
    return {
        "schema": SCHEMA,
        "commit": commit(),
        "case": case.name,
        "cluster": case.cluster,
        "seed": case.seed,
        "start": case.start,
        "seconds": case.seconds,
        "one_incident": case.one_incident,
        "truths": truths,
        "incidents": final,
        "cost": {
            "cpu_seconds": round(time.process_time() - used, 2),
            "wall_seconds": round(time.perf_counter() - began, 2),
            "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0),
        },
    }


def incidents(found: Iterable[Incident]) -> list[dict[str, Any]]:
    """What the scorer needs of every incident that was more than context, oldest first.

    What was merged away is no incident of its own, and how often it was told counts for the one
    that took it in.
    """
    everyone = {one.id: one for one in found}
    tellings: Counter[str] = Counter()
    for one in everyone.values():
        tellings[_survivor(one, everyone)] += firing(one)
    left = [one for one in everyone.values() if not one.merged_into]
    told = [one for one in left if one.severity is not Severity.INFO or tellings[one.id]]
    told.sort(key=lambda one: (one.opened_at, one.id))
    return [_incident(one, tellings[one.id]) for one in told]


def _survivor(one: Incident, everyone: Mapping[str, Incident]) -> str:
    """Id of the incident that *one* is part of in the end: its own where it was never merged."""
    passed = {one.id}
    while one.merged_into in everyone and one.merged_into not in passed:
        one = everyone[one.merged_into]
        passed.add(one.id)
    return one.id


def _incident(one: Incident, tellings: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "code": one.failure_mode.code,
        "severity": one.severity.value,
        "opened_at": one.opened_at,
        "since": one.since,
        "resolved_at": one.resolved_at,
        "pool": f"pool/{one.pool}" if one.pool else "",
        "entities": sorted({str(one.entity), *(str(entity) for entity in one.entities)}),
        "causes": [
            {"code": cause.failure_mode.code, "entity": str(cause.entity)}
            for cause in one.causes[:3]
        ],
        "cards": [action.card for action in one.actions],
        "title": one.title,
        "firing": tellings,
    }


def firing(incident: Incident) -> int:
    """How often receivers were told that *incident* fires: as a ticket, a page, and its return."""
    return sum(line.what in ("ticketed", "paged") for line in incident.activity)
