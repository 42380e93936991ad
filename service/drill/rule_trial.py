"""One case of a drill as alert rules see it: samples into a real Prometheus, alerts out of it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from service.drill.backfill import (
    EVALUATED_EVERY,
    Programs,
    Server,
    fill,
    names_in,
    record,
    serving,
    write_samples,
)
from service.drill.case import Case
from service.drill.chain import Chain
from service.drill.provenance import commit
from service.drill.record import SCHEMA
from service.rules import Rule, read_rules
from vocabulary import metrics

PAST = 86_400.0
"""Seconds before a case that rules are recorded for and may compare with."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def try_rules(case: Case, programs: Programs) -> dict[str, Any]:
    """Every alert of the pack that fired in *case*, and what really happened.

    Pages are read as ever; nothing of ours judges them.
    """
    began = time.process_time()
    rules = [rule for file in read_rules() for rule in file.rules]
    with TemporaryDirectory(prefix="tidegauge-rules-") as folder:
        root = Path(folder)
        data = root / "data"
        truths = _lived(case, rules, root / "samples.om")
        fill(programs, root / "samples.om", data)
        end = case.start + case.seconds
        records = [rule for rule in rules if "record" in rule]
        record(programs, records, case.start - PAST, end, data)
        with serving(programs, data) as server:
            fired = [
                one
                for rule in rules
                if "alert" in rule and rule["labels"]["severity"] != "none"
                for one in _fired(server, rule, case.start, end)
            ]
    return {
        "schema": SCHEMA,
        "commit": commit(),
        "case": case.name,
        "cluster": case.cluster,
        "seed": case.seed,
        "start": case.start,
        "seconds": case.seconds,
        "truths": truths,
        "alerts": fired,
        "cost": {"cpu_seconds": round(time.process_time() - began, 2)},
    }


def _lived(case: Case, rules: Sequence[Rule], text: Path) -> list[dict[str, Any]]:
    """Let *case* happen and write what rules look at into *text*. Gives the truth."""
    wanted = {name for rule in rules for name in names_in(str(rule["expr"]))}
    chain = Chain.over(case, text.parent / "server")
    end = case.start + case.seconds
    try:
        chain.read(end)
        names = wanted & metrics.BY_SERIES_NAME.keys()
        write_samples(chain.part.store, names, case.start - PAST, end, text)
        return [injection.truth() for injection in chain.injections]
    finally:
        chain.close()


def _fired(server: Server, rule: Rule, start: float, end: float) -> Iterator[dict[str, Any]]:
    hold, keep = seconds(rule.get("for", "0s")), seconds(rule.get("keep_firing_for", "0s"))
    for labels, moments in server.range(str(rule["expr"]), start, end).items():
        for at, until in spans(moments, hold, keep):
            yield {
                "alert": rule["alert"],
                "rule": rule_name(rule),
                "labels": dict(labels),
                "at": at,
                "until": until,
            }


def rule_name(rule: Rule) -> str:
    """What tells an alert rule from the others of its file: severity, and what else they bear."""
    labels = rule["labels"]
    windows = f" {labels['long']}/{labels['short']}" if "long" in labels else ""
    seen_at = f" at {labels['seen_at']}" if "seen_at" in labels else ""
    return f"{rule['alert']} {labels['severity']}{windows}{seen_at}"


def spans(moments: npt.NDArray[Any], hold: float, keep: float) -> Iterator[tuple[float, float]]:
    """When an alert fires whose expression has a value at *moments*, as Prometheus goes about it.

    It fires once the value has been there for *hold* seconds without a gap, and until *keep*
    seconds after the last one.
    """
    firing: tuple[float, float] | None = None
    for run in np.split(moments, np.flatnonzero(np.diff(moments) > 1.5 * EVALUATED_EVERY) + 1):
        if not run.size:
            continue
        first, last = float(run[0]), float(run[-1])
        if firing is not None and first <= firing[1] + keep:
            firing = (firing[0], last)
        elif last - first >= hold:
            if firing is not None:
                yield firing[0], firing[1] + keep
            firing = (first + hold, last)
    if firing is not None:
        yield firing[0], firing[1] + keep


def seconds(duration: str) -> float:
    """A Prometheus duration of one unit: `90s`, `5m`, `1h`, `2d`."""
    return float(duration[:-1]) * _UNITS[duration[-1]]
