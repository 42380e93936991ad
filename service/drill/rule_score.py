"""How well each alert rule of the pack did: on its own fault, and where nobody should be told.

A rule's own fault is the one whose code it bears. A symptom's rule (`Y04` latency burn) has none:
of it is said only on which faults it fired, and that it kept quiet elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from service.drill.result import SCHEMA, origin
from service.drill.rule_trial import rule_name
from service.drill.score import EARLY_SECONDS, LATE_SECONDS, Share
from service.drill.table import Row, share
from service.rules import read_rules

COLUMNS = (
    "rule", "fault", "fired", "in time", "delay", "quiet look-alikes", "fired early", "on others",
)  # fmt: skip
MOST_OTHERS = 6
"""Other faults that a row names."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What one rule did in one case."""

    record: Mapping[str, Any]
    at: tuple[float, ...]
    """When it fired."""

    @property
    def truths(self) -> list[Mapping[str, Any]]:
        """The faults of the case that began."""
        return [one for one in self.record["truths"] if not one["benign"] and one["began"]]

    @property
    def early(self) -> bool:
        """Whether it fired before anything was wrong, or long after."""
        spans = [(one["at"] - EARLY_SECONDS, one["until"] + LATE_SECONDS) for one in self.truths]
        return any(not any(low <= at <= high for low, high in spans) for at in self.at)


def rule_result(records: Sequence[Mapping[str, Any]], **run: Any) -> dict[str, Any]:
    """The result of a drill of the rules as a file that is committed."""
    clusters = sorted({str(one["cluster"]) for one in records})
    return {
        "schema": SCHEMA,
        "run": {**run, **origin(records), "clusters": clusters},
        "rules": rule_rows(records),
    }


def fell_short(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a fault was missed or found late, or something told that nobody need know.

    Of a fault with more than one rule one is enough: the louder one waits for the worse case.
    """
    told = list(rows)
    best: dict[str, int] = {}
    for row in told:
        best[row["code"]] = max(best.get(row["code"], 0), row["in_time"]["hits"])
    missed = any(best[row["code"]] < row["in_time"]["of"] for row in told)
    return missed or any(row["early"] or row["quiet"]["hits"] < row["quiet"]["of"] for row in told)


def rule_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The score of every alert rule over *records* of `rule_trial.try_rules`, worst first."""
    rows = [_row(name, code, [_run(name, one) for one in records]) for name, code in _pack()]
    return sorted(rows, key=_merit)


def rule_table(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """*rows* as a table a person wants to read."""
    return [
        (
            row["rule"],
            row["code"],
            share(row["fired"]),
            share(row["in_time"]),
            "-" if row["delay_seconds"] is None else f"{row['delay_seconds'] / 60.0:.1f} min",
            share(row["quiet"]),
            ", ".join(row["early"]) or "-",
            _others(row["others"]),
        )
        for row in rows
    ]


def _pack() -> Iterator[tuple[str, str]]:
    """Every alert rule that tells of trouble, and the code it bears."""
    for file in read_rules():
        for rule in file.alerts:
            if rule["labels"]["severity"] != "none":
                yield rule_name(rule), str(rule["labels"]["incident_class"])


def _run(name: str, record: Mapping[str, Any]) -> _Run:
    return _Run(record, tuple(one["at"] for one in record["alerts"] if one["rule"] == name))


def _row(name: str, code: str, runs: Sequence[_Run]) -> dict[str, Any]:
    own = [(run, one) for run in runs for one in run.truths if one["code"] == code]
    delays = [_delay(run, one) for run, one in own]
    known = [delay for delay in delays if delay is not None]
    in_time = [
        delay is not None and delay <= one["detect_within"]
        for delay, (_, one) in zip(delays, own, strict=True)
    ]
    mistaken = Counter(
        one["code"] for run in runs for one in run.truths if run.at and one["code"] != code
    )
    return {
        "rule": name,
        "code": code,
        "fired": Share.counted(delay is not None for delay in delays).as_json(),
        "in_time": Share.counted(in_time).as_json(),
        "delay_seconds": round(median(known), 1) if known else None,
        "quiet": Share.counted(not run.at for run in runs if not run.truths).as_json(),
        "early": sorted({_place(run) for run in runs if run.early}),
        "others": dict(sorted(mistaken.items())),
    }


def _delay(run: _Run, truth: Mapping[str, Any]) -> float | None:
    """Seconds from onset until the rule fired, while the fault could be seen; None when never."""
    low, high = truth["at"] - EARLY_SECONDS, truth["until"] + LATE_SECONDS
    inside = [at - truth["at"] for at in run.at if low <= at <= high]
    return min(inside, default=None)


def _place(run: _Run) -> str:
    return f"{run.record['case']} seed {run.record['seed']}"


def _merit(row: Mapping[str, Any]) -> tuple[float, float, float, str]:
    """Worst first; what could not be counted stands last."""
    fired, in_time, quiet = (row[name]["value"] for name in ("fired", "in_time", "quiet"))
    unknown = 2.0
    return (
        unknown if fired is None else fired,
        unknown if in_time is None else in_time,
        unknown if quiet is None else quiet,
        row["rule"],
    )


def _others(counts: Mapping[str, int]) -> str:
    told = [f"{code} x{count}" for code, count in _most(counts.items())]
    return ", ".join(told) + (" ..." if len(counts) > MOST_OTHERS else "") or "-"


def _most(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda one: (-one[1], one[0]))[:MOST_OTHERS]
