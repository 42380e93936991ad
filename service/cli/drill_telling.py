"""What `tidegauge drill` tells: what there is, how busy pools are, the score, and how it ended."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from service.cli.shared import Output, complain, print_json, print_table
from vocabulary.errors import ConfigError

if TYPE_CHECKING:
    from service.drill.case import Corpus


def list_corpus(corpus: "Corpus", output: Output) -> None:
    """Everything that can be injected, and why some of it cannot."""
    rows = [
        {
            "code": code,
            "failure_mode": kind.failure_mode.word,
            "title": kind.failure_mode.title,
            "kind": "look-alike" if kind.benign else "fault",
            "within_seconds": kind.detect_within or None,
            "severity": None if kind.benign else kind.severity.value,
            "left_out": kind.unsimulated or None,
        }
        for code, kind in {**corpus.faults, **corpus.look_alikes}.items()
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    columns = ("code", "failure mode", "title", "kind", "within s", "severity", "left out because")
    print_table("What a drill can inject", columns, [tuple(row.values()) for row in rows])


def preview(files: Sequence[Path], seeds: str, output: Output) -> None:
    """Each scenario's pools under their traffic alone, so that no fault hides in an overload."""
    from service.drill import table
    from service.drill.plan import seed_numbers
    from simulator.outlook import outlook
    from simulator.scenario_file import read_scenario

    if not files:
        raise ConfigError("--preview shows the pools of a scenario; name one with --scenario FILE")
    for file in files:
        one = read_scenario(file)
        seed = seed_numbers(seeds)[0] if seeds else one.seed
        pools = outlook(one.cluster, seed, one.start, one.story.length)
        if output is Output.JSON:
            print_json({"scenario": one.story.name, "seed": seed, "pools": table.outlooks(pools)})
        else:
            title = f"{one.story.name} without its faults, seed {seed}"
            print_table(title, table.OUTLOOK_COLUMNS, table.outlook_rows(pools))


def tell(
    records: Sequence[Mapping[str, Any]], corpus: "Corpus", output: Output, files: Sequence[Path]
) -> None:
    """The score of *records*, worst first, and how to see again what was missed."""
    from service.drill import table
    from service.drill.score import summary
    from simulator.scenario_file import read_scenario

    score = summary(records)
    if output is Output.JSON:
        print_json({"schema": 1, "score": score, "records": records})
        return
    titles = {code: kind.failure_mode.title for code, kind in corpus.faults.items()}
    if score["faults"]:
        print_table("Faults, worst first", table.COLUMNS, table.fault_rows(score, titles))
    if table.notified(score):
        typer.echo(f"\n{table.notified(score)}\n")
    print_table("What was said without a reason", table.CALM_COLUMNS, table.calm_rows(score))
    misses = table.miss_rows(
        score, {read_scenario(file).story.name: shlex.quote(str(file)) for file in files}
    )
    if misses:
        columns = ("code", "case", "seed", "the chain said", "see it again")
        print_table("Missed or taken for something else", columns, misses)


def judge(records: Sequence[Mapping[str, Any]], worse: Sequence[str] | None) -> None:
    """Exit 1 for what is worse than the baseline; without one, for any miss or false page."""
    from service.drill.score import summary

    for line in worse or ():
        complain(f"worse than the baseline: {line}")
    whole = summary(records)
    if worse or (worse is None and (whole["misses"] or whole["calm"]["pages"]["count"])):
        raise typer.Exit(1)
