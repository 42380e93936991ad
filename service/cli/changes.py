"""`tidegauge changes`: when a level in a CSV or Parquet file changed, and by how much."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.shared import Output, print_table


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(changes)


def changes(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: a time column and value columns.")],
    covariate: Annotated[
        list[str] | None,
        typer.Option(help="Name of a load column to adjust for; repeatable."),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Name of the time column, when not obvious.")
    ] = None,
    value_column: Annotated[
        list[str] | None,
        typer.Option(help="Name of a value column; repeatable. Default: all numeric."),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="json or table.")] = Output.JSON,
) -> None:
    """Find lasting changes of level, with effect, 99 % interval and p-value. Always exit 0.

    Rows ten minutes apart or more, or fewer than 500, are a history of runs; else a live signal.
    `detected_at` is the row at which the change could first be said, from the rows before.
    """
    from service.changes_file import changes_file

    with _progress(file) as told:
        answer = changes_file(
            file, time_column, tuple(value_column or ()), tuple(covariate or ()), told=told
        )
    if output is Output.JSON:
        typer.echo(json.dumps(answer, allow_nan=False))
        return
    rows = [
        (name, one["time"], one["before"], one["after"], one["effect"],
         "{} … {}".format(*one["interval"]), one["p_value"], one["detected_at"])
        for name, column in answer["columns"].items()
        for one in column["changes"]
    ]  # fmt: skip
    heads = ("column", "time", "before", "after", "effect", "99 % interval", "p", "detected at")
    print_table(f"{len(rows)} changes", heads, rows)


@contextmanager
def _progress(file: Path) -> Iterator[Any]:
    """A bar on stderr where a person looks; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(file.name[:40], total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
