"""The score of a drill as tables a person wants to read: worst first, misses with their replay."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "code", "failure mode", "found", "delay", "cause 1st", "in 3", "entity", "card 1st", "told",
)  # fmt: skip

Row = Sequence[str]


def fault_rows(score: Mapping[str, Any], titles: Mapping[str, str]) -> list[Row]:
    """A row for each fault, worst first, and one of everything."""
    rows = [_row(row["code"], titles.get(row["code"], ""), row) for row in score["faults"]]
    return [*rows, _row("all", f"{score['all']['runs']} runs", score["all"])]


def calm_rows(score: Mapping[str, Any]) -> list[Row]:
    """What was said without a reason, by look-alike."""
    rows = [(row["case"], row) for row in score["look_alikes"]]
    return [
        (
            name,
            f"{row['hours']:g}",
            str(row["pages"]["count"]),
            str(row["tickets"]["count"]),
            f"{row['pages']['at_most']:.3f}" if row["pages"]["at_most"] is not None else "-",
            "; ".join(row["titles"][:3]),
        )
        for name, row in [*rows, ("all", score["calm"])]
    ]


def miss_rows(score: Mapping[str, Any]) -> list[Row]:
    """What was missed or taken for something else, and how to see it again."""
    return [
        (
            miss["code"],
            miss["case"],
            str(miss["seed"]),
            miss["said"] or "nothing",
            replay(miss),
        )
        for miss in score["misses"][:20]
    ]


def replay(miss: Mapping[str, Any]) -> str:
    """The command that shows one case in the console."""
    words = f"'{miss['case']}' --seeds {miss['seed']} --cluster {miss['cluster']}"
    return f"tidegauge drill --replay {words}"


def _row(code: str, title: str, row: Mapping[str, Any]) -> Row:
    delay, firing = row["delay_seconds"]["median"], row["firing"]["mean"]
    return (
        code,
        title,
        _share(row["found"]),
        "-" if delay is None else f"{delay / 60.0:.1f} min",
        _share(row["cause_first"]),
        _share(row["cause_in_three"]),
        _share(row["entity"]),
        _share(row["first_card"]),
        "-" if firing is None else f"{firing:.2f}",
    )


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "-"
    return (
        f"{100.0 * share['value']:.0f} % [{100.0 * share['low']:.0f}-{100.0 * share['high']:.0f}]"
    )
