"""How well the chain did: each fault against what was said of it, and the calm hours.

An incident belongs to a fault when it names one of the fault's entities or its pool and opened
while the fault could be seen (a minute before onset, for onsets are dated to a tick, until half an
hour after the end: queues drain and pods load). Whatever belongs to no fault is a false one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import median
from typing import Any

from scipy.stats import binom, binomtest, gamma

from vocabulary import failure_modes

_FAMILIES = {mode.code: mode.family for mode in failure_modes.ALL}
EARLY_SECONDS = 60.0
LATE_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One fault of one case."""

    code: str
    case: str
    cluster: str
    seed: int
    severity: str
    """How loud an honest incident may be."""
    found: bool
    """An incident of it was open when it should have been."""
    delay: float | None
    """Seconds from onset until it opened."""
    rank: int
    """Place of the right failure mode among the causes, 1 to 3; 0 when it is not there."""
    entity: bool
    card: bool
    """The first card is one that a seasoned engineer would take."""
    firing: int
    """How often receivers were told, all incidents of the fault together."""
    apart: bool
    """No other fault of the case was found through the same incident; where one is the cause of
    the others, that they were found through one incident."""
    said: str
    """What the incident said first; empty when there was none."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was said in one case without a reason."""

    case: str
    cluster: str
    seed: int
    hours: float
    """Hours of the case in which no fault could be seen."""
    pages: int
    tickets: int
    titles: tuple[str, ...]
    benign: bool
    """Nothing in the case was a fault."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % Wilson interval."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """0 to 1; None when there was nothing to count."""
        return self.hits / self.of if self.of else None

    @classmethod
    def counted(cls, hits: Iterable[bool]) -> "Share":
        """The share of true ones."""
        values = list(hits)
        if not values:
            return cls(0, 0, 0.0, 1.0)
        interval = binomtest(sum(values), len(values)).proportion_ci(method="wilson")
        return cls(sum(values), len(values), float(interval.low), float(interval.high))

    def as_json(self) -> dict[str, Any]:
        """Value, counts and interval."""
        return {
            "value": None if self.value is None else round(self.value, 4),
            "hits": self.hits,
            "of": self.of,
            "low": round(self.low, 4),
            "high": round(self.high, 4),
        }


def verdicts(record: Mapping[str, Any]) -> list[Verdict]:
    """Every fault of one record that should have been found."""
    truths = [one for one in record["truths"] if not one["benign"] and one["began"]]
    lead = {truths[0]["code"]} if truths and record.get("one_incident") else set()
    best = [_best(truth, lead) for truth in truths]
    ids = [one["id"] for one in best if one is not None]
    return [
        _verdict(record, truth, one, lead, shared=one is not None and ids.count(one["id"]) > 1)
        for truth, one in zip(truths, best, strict=True)
    ]


def quiet(record: Mapping[str, Any]) -> Quiet:
    """What one record says of its calm hours."""
    truths = [one for one in record["truths"] if not one["benign"] and one["began"]]
    false = [
        incident
        for incident in record["incidents"]
        if not any(_belongs(incident, truth) for truth in truths)
    ]
    busy = _covered([(one["at"], one["until"] + LATE_SECONDS) for one in truths], record)
    return Quiet(
        record["case"],
        record["cluster"],
        record["seed"],
        max(0.0, record["seconds"] - busy) / 3600.0,
        sum(one["severity"] == "critical" for one in false),
        sum(one["severity"] == "warning" for one in false),
        tuple(f"{one['code']} {one['title']}" for one in false),
        benign=not truths,
    )


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The score of a whole drill as JSON: per fault, worst first, and of everything together."""
    judged = [verdict for record in records for verdict in verdicts(record)]
    calm = [quiet(record) for record in records]
    by_code: dict[str, list[Verdict]] = {}
    for one in judged:
        by_code.setdefault(one.code, []).append(one)
    rows = [{"code": code, **_rates(some)} for code, some in by_code.items()]
    rows.sort(key=lambda row: (row["found"]["value"], row["cause_first"]["value"], row["code"]))
    severities = sorted({one.severity for one in judged})
    return {
        "faults": rows,
        "all": _rates(judged),
        "by_severity": {
            severity: _rates([one for one in judged if one.severity == severity])
            for severity in severities
        },
        "by_class": {
            family: _rates([one for one in judged if _FAMILIES.get(one.code) == family])
            for family in sorted({_FAMILIES.get(one.code, "") for one in judged} - {""})
        },
        "overlaps": _rates([one for one in judged if _paired(one.case)]),
        "hardships": [
            {"name": name, **_rates([one for one in judged if _hardship(one.case) == name])}
            for name in sorted({_hardship(one.case) for one in judged} - {""})
        ],
        "notified": _notified(records),
        "calm": _calm(calm),
        "look_alikes": [
            {"case": name, **_calm([one for one in calm if one.case == name])}
            for name in sorted({one.case for one in calm if one.benign})
        ],
        "precision": _precision(records, lambda incident: str(incident["severity"])),
        "precision_by_class": _precision(
            records, lambda incident: _FAMILIES.get(incident["code"], "other")
        ),
        "misses": [
            {"case": one.case, "cluster": one.cluster, "seed": one.seed, "code": one.code,
             "said": one.said}
            for one in judged
            if not one.found or one.rank != 1
        ],
        "cost": {
            "cpu_seconds": round(sum(one["cost"]["cpu_seconds"] for one in records), 1),
            "simulated_hours": round(sum(one["seconds"] for one in records) / 3600.0, 1),
        },
    }  # fmt: skip


def _notified(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How often receivers were told that an incident fires, of those that were told at all.

    An incident counts what those were told that were merged into it.
    """
    told = [one["firing"] for record in records for one in record["incidents"] if one["firing"]]
    mean = round(sum(told) / len(told), 3) if told else None
    return {"told": len(told), "mean": mean, "most": max(told, default=None)}


def _paired(case: str) -> bool:
    """Whether a case of this name is two troubles at once."""
    return " during " in case or " caused by " in case


def _hardship(case: str) -> str:
    """What befell the product in a case of this name; empty when nothing did."""
    return case.partition(" with ")[2]


def _best(truth: Mapping[str, Any], lead: AbstractSet[str]) -> Mapping[str, Any] | None:
    """The incident through which a fault is found: the one that names it, or what it comes from
    (*lead*), best; then the first.
    """  # noqa: D205 - one sentence does not hold it
    mine = [one for one in truth["seen"] if _belongs(one, truth)]
    codes = {truth["code"]} | lead
    order = [(_rank(one, codes) or 9, one["opened_at"], one["id"]) for one in mine]
    return mine[order.index(min(order))] if mine else None


def _verdict(
    record: Mapping[str, Any],
    truth: Mapping[str, Any],
    best: Mapping[str, Any] | None,
    lead: AbstractSet[str],
    *,
    shared: bool,
) -> Verdict:
    told = [one for one in record["incidents"] if _belongs(one, truth)]
    return Verdict(
        code=truth["code"],
        case=record["case"],
        cluster=record["cluster"],
        seed=record["seed"],
        severity=truth["severity"],
        found=best is not None,
        delay=None if best is None else best["opened_at"] - truth["at"],
        rank=0 if best is None else _rank(best, {truth["code"]} | lead),
        entity=best is not None and bool(set(truth["entities"]) & set(best["entities"])),
        card=best is not None and bool(best["cards"]) and best["cards"][0] in truth["first_cards"],
        firing=sum(one["firing"] for one in told),
        apart=best is not None and shared is bool(lead),
        said="" if best is None else f"{best['code']} {best['title']}",
    )


def _rank(incident: Mapping[str, Any], right: AbstractSet[str]) -> int:
    codes = [cause["code"] for cause in incident["causes"]] or [incident["code"]]
    return next((place for place, code in enumerate(codes, 1) if code in right), 0)


def _belongs(incident: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    opened = truth["at"] - EARLY_SECONDS <= incident["opened_at"] <= truth["until"] + LATE_SECONDS
    places = {*truth["entities"], truth["pool"]} - {""}
    named = {*incident["entities"], incident["pool"]} - {""}
    return opened and bool(places & named)


def _covered(spans: Sequence[tuple[float, float]], record: Mapping[str, Any]) -> float:
    """Seconds of the record inside any of *spans*."""
    start, end = record["start"], record["start"] + record["seconds"]
    seconds, reached = 0.0, start
    for begin, until in sorted(spans):
        seconds += max(0.0, min(until, end) - max(begin, reached))
        reached = max(reached, min(until, end))
    return seconds


def _rates(judged: Sequence[Verdict]) -> dict[str, Any]:
    delays = [one.delay for one in judged if one.delay is not None]
    firing = [one.firing for one in judged if one.found]
    return {
        "runs": len(judged),
        "found": Share.counted(one.found for one in judged).as_json(),
        "cause_first": Share.counted(one.rank == 1 for one in judged).as_json(),
        "cause_in_three": Share.counted(one.rank > 0 for one in judged).as_json(),
        "entity": Share.counted(one.entity for one in judged).as_json(),
        "first_card": Share.counted(one.card for one in judged).as_json(),
        "apart": Share.counted(one.apart for one in judged).as_json(),
        "delay_seconds": _delays(delays),
        "firing": {
            "mean": round(sum(firing) / len(firing), 3) if firing else None,
            "most": max(firing, default=None),
        },
    }


def _delays(delays: Sequence[float]) -> dict[str, float | None]:
    """Median with its 95 % interval, and the longest.

    The interval lies between two order statistics and supposes nothing of how delays are spread
    (Conover, Practical Nonparametric Statistics); fewer than six delays have none.
    """
    if not delays:
        return dict.fromkeys(("median", "low", "high", "worst"))
    ordered = sorted(round(one, 1) for one in delays)
    place = int(binom.ppf(0.025, len(ordered), 0.5))
    low, high = (ordered[place - 1], ordered[-place]) if place else (None, None)
    return {"median": round(median(delays), 1), "low": low, "high": high, "worst": ordered[-1]}


def _calm(calm: Sequence[Quiet]) -> dict[str, Any]:
    hours = sum(one.hours for one in calm)
    return {
        "hours": round(hours, 2),
        "pages": _rate(sum(one.pages for one in calm), hours),
        "tickets": _rate(sum(one.tickets for one in calm), hours),
        "titles": sorted({title for one in calm for title in one.titles})[:20],
    }


def _rate(count: int, hours: float) -> dict[str, Any]:
    """Events and their rate an hour, with the exact Poisson upper limit (95 %, one-sided)."""
    upper = float(gamma.ppf(0.95, count + 1))
    return {
        "count": count,
        "per_hour": round(count / hours, 4) if hours else None,
        "at_most": round(upper / hours, 4) if hours else None,
    }


def _precision(
    records: Sequence[Mapping[str, Any]], group: Callable[[Mapping[str, Any]], str]
) -> dict[str, Any]:
    """Share of incidents with a reason, by what *group* says of each."""
    found: dict[str, list[bool]] = {}
    for record in records:
        truths = [one for one in record["truths"] if not one["benign"] and one["began"]]
        for incident in record["incidents"]:
            real = any(_belongs(incident, truth) for truth in truths)
            found.setdefault(group(incident), []).append(real)
    return {name: Share.counted(hits).as_json() for name, hits in sorted(found.items())}
