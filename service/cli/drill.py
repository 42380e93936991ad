"""`tidegauge drill`: inject faults and benign look-alikes, and score the whole chain."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from service.cli.drill_rules import tell_rules
from service.cli.shared import Output, OutputOption, complain, print_json, print_table
from vocabulary.errors import ConfigError

if TYPE_CHECKING:
    from service.drill.campaign import Play
    from service.drill.case import Case, Corpus


_Clusters = Annotated[
    str,
    typer.Option(help="Which simulated clusters, with commas: demo, held-out, hosted, spare."),
]
_Hardships = Annotated[
    str,
    typer.Option(
        help="Once more while this befalls us, with commas: gap, agent-restart, "
        "server-restart, late-samples."
    ),
]
_Replay = Annotated[
    str | None,
    typer.Option(help="Show one case in the console: F01, `F27 during B03`, or a scenario's."),
]
_Programs = Annotated[
    Path | None,
    typer.Option(help="Folder with prometheus and promtool for --rules; else those on the PATH."),
]


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
        str, typer.Option(help="How many (3), a range (11-20) or a list (7,9); one for --replay.")
    ] = "",
    cluster: _Clusters = "demo",
    calm_hours: Annotated[float, typer.Option(min=0, help="Hours of calm for each seed.")] = 0.0,
    overlaps: Annotated[bool, typer.Option("--overlaps", help="Pairs of troubles too.")] = False,
    hardship: _Hardships = "",
    rules: Annotated[
        bool, typer.Option("--rules", help="Score the alert rules by a real Prometheus instead.")
    ] = False,
    prometheus: _Programs = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="Drill this scenario file (repeatable) instead.")
    ] = None,
    replay: _Replay = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder to keep results in; goes on where it stopped.")
    ] = None,
    score: Annotated[Path | None, typer.Option(help="Write the score into this file.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Compare with this score; exit 1 only when worse.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Cases at once; 0: one a core.")] = 0,
    for_seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="End a replay after this many seconds.")
    ] = None,
    no_console: Annotated[
        bool, typer.Option("--no-console", help="Replay without the console.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only how busy a scenario's pools are, no fault.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="List what can be injected.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Inject faults in the simulator and score the whole chain; exit 1 when it fell short."""
    from service.drill.case import Corpus

    corpus = Corpus.found()
    if show:
        _list(corpus, output)
        return
    if preview:
        _preview(scenario or [], seeds, output)
        return
    if replay is not None:
        _replay(corpus, replay, seeds, cluster, scenario or [], for_seconds, not no_console)
        return
    if scenario:
        plan = _of_files(scenario, seeds)
    else:
        plan = _plan(
            corpus, faults, seed_numbers(seeds or "1"), _clusters(cluster),
            benign=benign, calm_hours=calm_hours, overlaps=overlaps, hardships=_hardships(hardship),
        )  # fmt: skip
    if rules:
        _score_rules(plan, prometheus, workers, results, score, output)
        return
    records = _played(plan, workers, results)
    worse = _keep(records, corpus, score, baseline)
    _tell(records, corpus, output, scenario or [])
    _judge(records, worse)


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


def _clusters(text: str) -> list[str]:
    from service.drill.case import known_cluster

    return [known_cluster(one.strip()) for one in text.split(",") if one.strip()]


def _hardships(text: str) -> list[str]:
    from service.drill.hardship import known_hardship

    return [known_hardship(one.strip()) for one in text.split(",") if one.strip()]


def _plan(
    corpus: "Corpus",
    faults: str,
    seeds: Sequence[int],
    clusters: Sequence[str],
    *,
    benign: bool,
    calm_hours: float,
    overlaps: bool,
    hardships: Sequence[str],
) -> "list[Case]":
    """The cases of the corpus, seed by seed: a drill that is broken off has seen every fault."""
    from service.drill.case import calm, cases, overlapping

    wanted = [] if benign else _wanted(corpus, faults)
    plan: list[Case] = []
    for cluster in clusters:
        plan += cases(wanted, seeds, cluster)
        if benign or not faults:
            plan += cases(list(corpus.look_alikes.values()), seeds, cluster)
        if calm_hours:
            plan += [calm(seed, calm_hours, cluster) for seed in seeds]
        if overlaps:
            plan += overlapping(corpus, seeds, cluster)
    plan += [one.under(name) for one in tuple(plan) for name in hardships if one.events]
    plan.sort(key=lambda case: case.seed)
    if not plan:
        raise ConfigError("nothing to drill: name faults, or --benign, or --calm-hours")
    return plan


def _of_files(files: Sequence[Path], seeds: str) -> "list[Case]":
    """The cases of scenario files, each under its own seed or under those that were asked for."""
    from service.drill.case import written
    from simulator.scenario_file import read_scenario

    numbers: list[int | None] = [*seed_numbers(seeds)] if seeds else [None]
    plan = [written(read_scenario(file), seed) for file in files for seed in numbers]
    if len({case.id for case in plan}) < len(plan):
        raise ConfigError("two of these scenarios bear one name; rename one of them")
    return plan


def _preview(files: Sequence[Path], seeds: str, output: Output) -> None:
    """Each scenario's pools under their traffic alone, so that no fault hides in an overload."""
    from service.drill import table
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


def _wanted(corpus: "Corpus", words: str) -> list[Any]:
    if words == "none":
        return []
    if not words:
        return list(corpus.faults.values())
    return [corpus.named(word.strip()) for word in words.split(",") if word.strip()]


def _played(
    plan: "Sequence[Case]", workers: int, results: Path | None, how: "Play | None" = None
) -> list[dict[str, Any]]:
    from service.drill.campaign import run
    from service.drill.record import play

    with _Progress(len(plan), sys.stderr.isatty()) as progress:
        return run(
            plan, workers=workers or os.cpu_count() or 1, folder=results, how=how or play,
            told=progress.told,
        )  # fmt: skip


def _score_rules(
    plan: "Sequence[Case]",
    folder: Path | None,
    workers: int,
    results: Path | None,
    score: Path | None,
    output: Output,
) -> None:
    """The alert rules over *plan*; their records lie in a folder of their own under *results*."""
    from service.drill.backfill import Programs
    from service.drill.rule_trial import try_rules

    how = partial(try_rules, programs=Programs.found(folder))
    records = _played(plan, workers, results / "rules" if results is not None else None, how)
    tell_rules(records, _provenance(), score, output)


def _provenance() -> dict[str, str]:
    from service.clock import WallClock
    from service.drill.provenance import provenance

    return provenance(shlex.join(["tidegauge", *sys.argv[1:]]), WallClock().now())


def _keep(
    records: Sequence[Mapping[str, Any]],
    corpus: "Corpus",
    score: Path | None,
    baseline: Path | None,
) -> list[str] | None:
    """Write the result where it is wanted; what is worse than the baseline, None without one."""
    from service.drill.result import read_result, regressions, result, write_result

    if score is None and baseline is None:
        return None
    before = read_result(baseline) if baseline is not None else None
    found = result(records, corpus.left_out, **_provenance())
    if score is not None:
        write_result(score, found)
    return None if before is None else regressions(before, found)


def _judge(records: Sequence[Mapping[str, Any]], worse: Sequence[str] | None) -> None:
    """Exit 1 for what is worse than the baseline; without one, for any miss or false page."""
    from service.drill.score import summary

    for line in worse or ():
        complain(f"worse than the baseline: {line}")
    whole = summary(records)
    if worse or (worse is None and (whole["misses"] or whole["calm"]["pages"]["count"])):
        raise typer.Exit(1)


def _replay(
    corpus: "Corpus",
    name: str,
    seeds: str,
    cluster: str,
    files: Sequence[Path],
    for_seconds: float | None,
    console: bool,
) -> None:
    from service.drill.case import known_cluster, named_case
    from service.drill.replay import replay

    if seeds and not seeds.isdecimal():
        raise ConfigError(f"--seeds {seeds}: a replay shows one seed; write its number")
    seed = int(seeds or 1)
    if files:
        known = {case.name: case for case in _of_files(files, f"{seed}-{seed}" if seeds else "")}
        if name not in known:
            raise ConfigError(f"--replay {name}: these files hold {', '.join(known)}")
        case = known[name]
    else:
        case = named_case(corpus, name, seed, known_cluster(cluster))
    replay(case, console=console, for_seconds=for_seconds)


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


def _tell(
    records: Sequence[Mapping[str, Any]], corpus: "Corpus", output: Output, files: Sequence[Path]
) -> None:
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
    print_table("What was said without a reason", table.CALM_COLUMNS, table.calm_rows(score))
    misses = table.miss_rows(
        score, {read_scenario(file).story.name: shlex.quote(str(file)) for file in files}
    )
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
