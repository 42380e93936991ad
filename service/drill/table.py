"""The score of a drill as tables a person wants to read: worst first, misses with their replay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from service.drill.hardship import HARDSHIPS
from simulator.outlook import PoolOutlook

COLUMNS = (
    "code", "failure mode", "found", "delay", "cause 1st", "in 3", "entity", "card 1st", "told",
)  # fmt: skip

OUTLOOK_COLUMNS = (
    "pool", "replicas", "calls/s", "tokens/s", "busy", "batch", "at most", "cache at most",
    "ms a token", "queued",
)  # fmt: skip
CALM_COLUMNS = (
    "case", "calm h", "pages", "pages/h at most", "tickets", "tickets/h at most", "said",
)  # fmt: skip
MOST_MISSES = 20
"""Rows of misses that a person wants to read at once."""
Row = Sequence[str]


def fault_rows(score: Mapping[str, Any], titles: Mapping[str, str]) -> list[Row]:
    """A row for each fault, worst first, and one of everything."""
    rows = [_row(row["code"], titles.get(row["code"], ""), row) for row in score["faults"]]
    return [*rows, _row("all", f"{score['all']['runs']} runs", score["all"])]


def group_rows(score: Mapping[str, Any]) -> list[Row]:
    """A row for each severity, each class, the overlaps, and what befell us meanwhile."""
    groups = {**score["by_severity"], **score["by_class"], "overlaps": score["overlaps"]}
    groups |= {f"with {row['name']}": row for row in score.get("hardships", ())}
    return [_row(name, str(row["runs"]), row) for name, row in groups.items() if row["runs"]]


def calm_rows(score: Mapping[str, Any]) -> list[Row]:
    """What was said without a reason, by look-alike."""
    rows = [(row["case"], row) for row in score["look_alikes"]]
    return [
        (
            name,
            f"{row['hours']:g}",
            *(cell for kind in ("pages", "tickets") for cell in _rate(row[kind])),
            "; ".join(row["titles"][:3]),
        )
        for name, row in [*rows, ("all", score["calm"])]
    ]


def notified(score: Mapping[str, Any]) -> str:
    """How often an incident was told, in a sentence; empty for results that do not know."""
    told = score.get("notified", {"told": 0})
    if not told["told"]:
        return ""
    return (
        f"{told['told']} incidents were told: {told['mean']:.2f} times on average, "
        f"{told['most']} times at most."
    )


def _rate(one: Mapping[str, Any]) -> tuple[str, str]:
    """A count, and how many an hour there may be at most."""
    return str(one["count"]), "-" if one["at_most"] is None else f"{one['at_most']:.3f}"


def miss_rows(score: Mapping[str, Any], files: Mapping[str, str] | None = None) -> list[Row]:
    """What was missed or taken for something else, and how to see it again.

    *files* holds the scenario file of each case that came from one.
    """
    return [
        (
            miss["code"],
            miss["case"],
            str(miss["seed"]),
            miss["said"] or "nothing",
            replay(miss, (files or {}).get(miss["case"], "")),
        )
        for miss in score["misses"][:MOST_MISSES]
    ]


def replay(miss: Mapping[str, Any], scenario: str = "") -> str:
    """The command that shows one case in the console; *scenario* is the file it comes from."""
    if scenario:
        words = f"--scenario {scenario} --seeds {miss['seed']} --replay '{miss['case']}'"
        return f"tidegauge drill {words}"
    name, _, hardship = miss["case"].partition(" with ")
    words = f"'{name}' --seeds {miss['seed']} --cluster {miss['cluster']}"
    shown = hardship in HARDSHIPS and HARDSHIPS[hardship].shown
    return f"tidegauge drill --replay {words}" + (f" --hardship {hardship}" if shown else "")


def _row(code: str, title: str, row: Mapping[str, Any]) -> Row:
    firing = row["firing"]["mean"]
    return (
        code,
        title,
        share(row["found"]),
        _delay(row["delay_seconds"]),
        share(row["cause_first"]),
        share(row["cause_in_three"]),
        share(row["entity"]),
        share(row["first_card"]),
        "-" if firing is None else f"{firing:.2f}",
    )


def _delay(one: Mapping[str, float | None]) -> str:
    """A median in minutes, with its interval where there are enough delays for one."""
    middle, low, high = (one.get(name) for name in ("median", "low", "high"))
    if middle is None:
        return "-"
    interval = "" if low is None or high is None else f" [{low / 60.0:.1f}-{high / 60.0:.1f}]"
    return f"{middle / 60.0:.1f} min{interval}"


def share(one: Mapping[str, Any]) -> str:
    """A share in per cent with its interval; a dash when there was nothing to count."""
    if one["value"] is None:
        return "-"
    return f"{100.0 * one['value']:.0f} % [{100.0 * one['low']:.0f}-{100.0 * one['high']:.0f}]"


def outlook_rows(pools: Sequence[PoolOutlook]) -> list[Row]:
    """How busy each pool is, as a person reads it."""
    return [
        (
            one.pool,
            str(one.replicas),
            f"{one.calls:.2f}",
            f"{one.output_tokens:.0f}",
            f"{one.busy:.0%}",
            f"{one.running:.1f}",
            f"{one.running_most:.0f}",
            f"{one.kv_share_most:.0%}",
            "-" if math.isnan(one.between_tokens) else f"{1e3 * one.between_tokens:.1f}",
            f"{one.queued:.0%}",
        )
        for one in pools
    ]


def outlooks(pools: Sequence[PoolOutlook]) -> list[dict[str, Any]]:
    """The same for programs; None is what nothing was seen of."""
    rows = [asdict(one) for one in pools]
    for row in rows:
        row["between_tokens"] = None if math.isnan(row["between_tokens"]) else row["between_tokens"]
    return rows
