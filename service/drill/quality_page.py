"""docs/detection-quality.md out of a committed result: worst rows first, nothing left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.drill import rule_score, table
from vocabulary.failure_modes import ALL

FULL_SEEDS = 30
"""Seeds of a full run: 30 of 30 bound a share from below at 0.89 (Wilson, 95 %)."""
_METHOD = """\
Every figure comes from `tidegauge drill`: the server that `tidegauge up` runs, over a simulated
cluster, with clock and sockets exchanged. What really happened stays with the simulator; the chain
sees pages, NVML and Kubernetes' changes. Each fault is drawn from its ranges, begins at a random
hour of the week after 15 to 25 minutes of calm, and is watched until 15 minutes after it should
have been found. [docs/drill.md](drill.md) describes cases, scenario files and the score.

**found**: an incident that names one of the fault's entities or its pool was open within the time
allowed. **delay**: from onset until it opened, median with its 95 % interval where six or more
were found. **cause 1st**, **in 3**: the right failure
mode leads, or is among the first three causes. **entity**: the right pod, GPU, tenant or route is
named. **card 1st**: the first action card is one that a seasoned engineer would take. **told**:
notifications for each fault that was found. Brackets hold 95 % Wilson intervals. The seeds (1000
and up) and the cluster `held-out` are never used in tuning. `make drill` plays every second seed on
`held-out` and the others on `demo`, so that a row of one cluster rests on half of the seeds, and
one of all clusters together on all of them.

These are simulated faults. They say how the chain does on what the simulator can express, with the
telemetry that real servers give; they are no promise about a fault that nobody has written down.
"""


FULL_RULE_SEEDS = 3
"""Seeds of each fault that a full drill of the alert rules plays."""
_RULES = """\
The alert rules of the pack, by a real Prometheus over back-filled blocks of the same simulated
pages (`tidegauge drill --rules`): every rule is evaluated each 30 s, `for` and `keep_firing_for`
applied. **fired**: the rule of this fault's code fired while the fault could be seen; **in time**:
within the time that is allowed for finding it; of a fault with more than one rule one is enough,
and the louder one waits for the worse case. **quiet look-alikes**: cases without any fault in
which it did not fire. **fired early**: cases in which it fired before anything was wrong. **on
others**: other faults during which it fired, which is as it should be for symptoms (codes Y), and
for faults that bring such a trouble with them. Back-filled text knows no staleness marks, so that
a series that ended is seen for five more minutes.
"""


def quality_page(
    result: Mapping[str, Any], notice: str, rules: Mapping[str, Any] | None = None
) -> str:
    """The page that *result* gives, and with *rules* the score of the alert rules."""
    parts = ["# Detection quality", notice, _METHOD.rstrip(), _run(result)]
    if len(result["scores"]) > 1 and "overall" in result:
        parts += ["## All clusters together", *_score(result["overall"])]
    for cluster, score in result["scores"].items():
        parts += [f"## Cluster `{cluster}`", *_cluster(score)]
    if rules is not None:
        rows = rule_score.rule_table(rules["rules"])
        parts += ["## Alert rules", _RULES.rstrip(), _run_of_rules(rules)]
        parts += [_table(rule_score.COLUMNS, rows)]
    if result["left_out"]:
        rows = [(code, why) for code, why in result["left_out"].items()]
        parts += ["## Not simulated", _table(("code", "why"), rows)]
    return "\n\n".join(parts) + "\n"


def _run_of_rules(rules: Mapping[str, Any]) -> str:
    run = rules["run"]
    seeds = run["seeds"]
    text = (
        f"{run['cases']} cases on {', '.join(run['clusters'])} at commit {_commits(run)}, "
        f"{run['date']}, seeds {', '.join(str(one) for one in seeds)}."
    )
    if len(seeds) >= FULL_RULE_SEEDS:
        return text
    return f"{text} **This is a partial run**: {FULL_RULE_SEEDS} seeds of every fault are the rule."


def _commits(run: Mapping[str, Any]) -> str:
    """The commits that cases were played at; of older results the one they were scored at."""
    return ", ".join(f"`{one}`" for one in run.get("commits") or [run["commit"]])


def _run(result: Mapping[str, Any]) -> str:
    run, scores = result["run"], result["scores"].values()
    hours = sum(one["cost"]["simulated_hours"] for one in scores)
    cpu = sum(one["cost"]["cpu_seconds"] for one in scores) / 3600.0
    cost = (
        f"{hours:.0f} simulated hours in {cpu:.1f} CPU hours, "
        f"{3600.0 * cpu / max(run['cases'], 1):.1f} CPU seconds a case"
    )
    rows = [
        ("date", run["date"]),
        ("commit", _commits(run)),
        ("machine", run["machine"]),
        ("command", f"`{run['command']}`"),
        ("seeds", f"{len(run['seeds'])} ({run['seeds'][0]} to {run['seeds'][-1]})"),
        ("cases", str(run["cases"])),
        ("cost", cost),
    ]
    text = _table(("run", ""), rows)
    if len(run["seeds"]) >= FULL_SEEDS:
        return text
    return (
        f"{text}\n\n**This is a partial run**: {len(run['seeds'])} of the {FULL_SEEDS} seeds that "
        "`make drill` plays. The intervals say how little that is."
    )


def _cluster(score: Mapping[str, Any]) -> Iterable[str]:
    """The score of one cluster, and every miss of it."""
    yield from _score(score)
    if score["misses"]:
        yield "### Missed or taken for something else"
        heads = ("code", "case", "seed", "the chain said", "see it again")
        yield _table(heads, [(*row[:-1], f"`{row[-1]}`") for row in table.miss_rows(score)])
        if len(score["misses"]) > table.MOST_MISSES:
            yield f"And {len(score['misses']) - table.MOST_MISSES} more, in the result file."


def _score(score: Mapping[str, Any]) -> Iterable[str]:
    titles = {mode.code: mode.title for mode in ALL}
    if score["faults"]:
        yield "### Faults, worst first"
        yield _table(table.COLUMNS, table.fault_rows(score, titles))
    if table.notified(score):
        yield table.notified(score)
    yield "### What was said without a reason"
    yield _table(table.CALM_COLUMNS, table.calm_rows(score))
    groups = [*score["by_severity"].items(), *score["by_class"].items()]
    if groups:
        yield "### By severity and class"
        yield _table(("group", "runs", *table.COLUMNS[2:]), table.group_rows(score))
    precision = {**score["precision"], **score.get("precision_by_class", {})}
    if precision:
        yield "### Precision by severity and class"
        yield _table(
            ("group", "incidents", "of them with a reason"),
            [(name, str(one["of"]), table.share(one)) for name, one in precision.items()],
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
