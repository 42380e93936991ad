"""`tidegauge drill`: inject faults and benign look-alikes, and score the whole chain."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from service.cli.shared import Output, OutputOption, print_json, print_table
from vocabulary.errors import ConfigError

if TYPE_CHECKING:
    from service.drill.case import Case, Corpus


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(drill)


def drill(
    faults: Annotated[
        str, typer.Option(help="Only these faults: codes or words, with commas; `none` for none.")
    ] = "",
    benign: Annotated[
        bool, typer.Option("--benign", help="Only look-alikes and calm: nobody may be told.")
    ] = False,
    seeds: Annotated[
        str, typer.Option(help="How many (3), a range (11-20) or a list (7,9).")
    ] = "1",
    cluster: Annotated[str, typer.Option(help="Which simulated cluster.")] = "demo",
    calm_hours: Annotated[float, typer.Option(min=0, help="Hours of calm for each seed.")] = 0.0,
    overlaps: Annotated[bool, typer.Option("--overlaps", help="Pairs of troubles too.")] = False,
    results: Annotated[
        Path | None, typer.Option(help="Folder to keep results in; goes on where it stopped.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Cases at once; 0: one a core.")] = 0,
    show: Annotated[bool, typer.Option("--list", help="List what can be injected.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Inject faults in the simulator and score the whole chain; exit 1 when it fell short."""
    from service.drill.campaign import run
    from service.drill.case import Corpus, calm, cases, overlapping
    from service.drill.score import summary

    corpus = Corpus.found()
    if show:
        _list(corpus, output)
        return
    numbers = seed_numbers(seeds)
    wanted = [] if benign else _wanted(corpus, faults)
    plan: list[Case] = list(cases(wanted, numbers, cluster))
    if benign or not faults:
        plan += cases(list(corpus.look_alikes.values()), numbers, cluster)
    if calm_hours:
        plan += [calm(seed, calm_hours, cluster) for seed in numbers]
    if overlaps:
        plan += overlapping(corpus, numbers, cluster)
    if not plan:
        raise ConfigError("nothing to drill: name faults, or --benign, or --calm-hours")
    with _Progress(len(plan), sys.stderr.isatty()) as progress:
        records = run(
            plan, workers=workers or os.cpu_count() or 1, folder=results, told=progress.told
        )
    score = summary(records)
    if output is Output.JSON:
        print_json({"schema": 1, "score": score, "records": records})
    else:
        _print(score, corpus)
    if score["misses"] or score["calm"]["pages"]["count"]:
        raise typer.Exit(1)


def seed_numbers(text: str) -> list[int]:
    """`3` is 1, 2 and 3; `11-13` is 11, 12 and 13; `7,9` is 7 and 9.

    Raises:
        ConfigError: It is none of these.
    """
    try:
        if "," in text:
            return [int(part) for part in text.split(",") if part.strip()]
        low, dash, high = text.partition("-")
        first, last = (int(low), int(high)) if dash else (1, int(low))
    except ValueError as error:
        raise ConfigError(f"--seeds {text}: write a number, a range 11-20 or a list 7,9") from error
    if not 0 <= first <= last:
        raise ConfigError(f"--seeds {text}: there are no seeds in it")
    return list(range(first, last + 1))


def _wanted(corpus: "Corpus", words: str) -> list[Any]:
    if words == "none":
        return []
    if not words:
        return list(corpus.faults.values())
    return [corpus.named(word.strip()) for word in words.split(",") if word.strip()]


def _list(corpus: "Corpus", output: Output) -> None:
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


def _print(score: Mapping[str, Any], corpus: "Corpus") -> None:
    from service.drill import table

    titles = {code: kind.failure_mode.title for code, kind in corpus.faults.items()}
    if score["faults"]:
        print_table("Faults, worst first", table.COLUMNS, table.fault_rows(score, titles))
    columns: Sequence[str] = ("case", "calm h", "pages", "tickets", "pages/h at most", "said")
    print_table("What was said without a reason", columns, table.calm_rows(score))
    misses = table.miss_rows(score)
    if misses:
        columns = ("code", "case", "seed", "the chain said", "see it again")
        print_table("Missed or taken for something else", columns, misses)


class _Progress:
    """A bar on stderr at a terminal, silence elsewhere."""

    def __init__(self, total: int, visible: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not visible,
        )
        self._task = self._bar.add_task("Drill", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def told(self, case: "Case", _record: Mapping[str, Any]) -> None:
        """One more case is done."""
        self._bar.update(self._task, advance=1, description=f"{case.name} seed {case.seed}")
