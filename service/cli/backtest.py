"""`tidegauge backtest`: what would have been paged and ticketed on stored history, and why."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.shared import (
    ConfigOption,
    Output,
    OutputOption,
    complain,
    configuration,
    print_json,
    print_table,
)
from vocabulary.errors import ConfigError

if TYPE_CHECKING:
    from service.backtest.answer import Findings


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(backtest)


def backtest(
    prometheus: Annotated[
        str, typer.Option(help="URL of a Prometheus-compatible backend that holds the history.")
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of a server or a demo; it may be running.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="OpenMetrics text with times, as `promtool tsdb dump-openmetrics` gives."
        ),
    ] = None,
    begin: Annotated[
        str, typer.Option("--from", help="-7d, 2026-03-01T12:00Z or Unix seconds.")
    ] = "-7d",
    end: Annotated[str, typer.Option("--to", help="As --from; the newest sample if empty.")] = "",
    known: Annotated[
        Path | None,
        typer.Option(help="YAML list of incidents you know of: start, end, entity, what, within."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report to read into this file.")
    ] = None,
    every: Annotated[
        float,
        typer.Option(
            min=0,
            help="Judge only every so many seconds (60): faster, and blind to what is shorter.",
        ),
    ] = 0.0,
    suggest: Annotated[
        bool, typer.Option(help="Look for settings that would have been quieter.")
    ] = True,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Replay stored history through the live path; nobody is told of anything.

    Exit 1 when anybody would have been told or a known incident would have been missed. Ctrl-C
    ends the replay early and reports what there is by then (exit 130).
    """
    from service.backtest.run import run

    if sum((bool(prometheus), data_dir is not None, file is not None)) > 1:
        raise ConfigError("name one of --prometheus, --data-dir and --file: one history at a time")
    flags: dict[str, Any] = {"prometheus_url": prometheus or None}
    if data_dir is not None:
        flags = {"data_dir": str(data_dir), "prometheus_url": ""}
    effective = configuration(config, **flags)
    if html is not None:
        _demand_writable(html)
    with TemporaryDirectory(prefix="tidegauge-backtest-") as folder, _progress() as told:
        found = run(
            effective, begin, end, Path(folder), dump=file, known=known, every=every,
            suggest=suggest, html=html, told=told,
        )  # fmt: skip
    _tell(found, output)
    if found.said.unreachable:
        complain(found.said.stopped)
        raise typer.Exit(3)
    if found.said.stopped:
        raise typer.Exit(130)
    if found.anything:
        raise typer.Exit(1)


def _demand_writable(file: Path) -> None:
    """Hours of work must not end at a folder that is not there."""
    try:
        file.touch()
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}; name another --html") from error


def _tell(found: "Findings", output: Output) -> None:
    from service.backtest.answer import answer, headline

    said = answer(found)
    if output is Output.JSON:
        print_json(said)
        return
    rows = [
        (
            one["told"], one["since"], f"{one['lasted_seconds'] / 60:.0f} min",
            one["code"], one["entity"]["name"], one["model"] or one["pool"],
            one["causes"][0]["why"] if one["causes"] else one["headline"],
        )
        for one in said["incidents"]
    ]  # fmt: skip
    columns = ("told", "since", "lasted", "code", "about", "hits", "why")
    print_table(headline(found), columns, rows)
    if said["known"]:
        known = [
            (one["outcome"], one["start"], one["end"], one["entity"], one["what"], one["incident"])
            for one in said["known"]
        ]
        heads = ("verdict", "from", "to", "entity", "what", "incident")
        print_table("Known incidents", heads, known)
    if said["suggestions"]:
        print_table("Proven", ("what would have been quieter",),
                    [(one["text"],) for one in said["suggestions"]])  # fmt: skip
    if said["could_not_see"]:
        names = ", ".join(one["failure_mode"] for one in said["could_not_see"])
        print_table("Could not be seen in this history", ("failure modes",), [(names,)])


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr where a person looks; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    tasks: dict[str, Any] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total)

    with contextlib.ExitStack() as opened:
        opened.enter_context(bar)
        yield told
