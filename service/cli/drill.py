"""`tidegauge drill`: inject faults and benign look-alikes, and score the whole chain."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from service.cli import drill_options as options
from service.cli.drill_rules import tell_rules
from service.cli.drill_running import kept, played, run_of_now
from service.cli.drill_telling import judge, list_corpus, preview, tell
from service.cli.shared import Output, OutputOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.drill.case import Case


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(drill)


def drill(
    faults: options.Faults = "",
    benign: options.Benign = False,
    seeds: options.Seeds = "",
    cluster: options.Clusters = "demo",
    alternate: options.Alternate = False,
    calm_hours: options.CalmHours = 0.0,
    overlaps: options.Overlaps = False,
    hardship: options.Hardships = "",
    rules: options.Rules = False,
    prometheus: options.Programs = None,
    scenario: options.Scenarios = None,
    replay: options.Replay = None,
    results: options.Results = None,
    score: options.Score = None,
    baseline: options.Baseline = None,
    workers: options.Workers = 0,
    for_seconds: options.ForSeconds = None,
    no_console: options.NoConsole = False,
    preview_only: options.Preview = False,
    show: options.List = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Inject faults in the simulator and score the whole chain; exit 1 when it fell short."""
    from service.drill.case import Corpus
    from service.drill.plan import Request

    corpus, files = Corpus.found(), tuple(scenario or ())
    request = Request(
        faults, benign, seeds, cluster, alternate, calm_hours, overlaps, hardship, files
    )
    if show:
        list_corpus(corpus, output)
    elif preview_only:
        preview(files, seeds, output)
    elif replay is not None:
        from service.drill.replay import replay as shown

        case = request.replayed(corpus, replay)
        shown(case, console=not no_console, for_seconds=for_seconds)
    elif rules:
        _score_rules(request.plan(corpus), prometheus, workers, results, score, output)
    else:
        records = played(request.plan(corpus), workers, results)
        worse = kept(records, corpus, score, baseline)
        tell(records, corpus, output, files)
        judge(records, worse)


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
    records = played(plan, workers, results / "rules" if results is not None else None, how)
    tell_rules(records, run_of_now(), score, output)
