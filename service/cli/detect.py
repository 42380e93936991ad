"""`tidegauge detect`: anomaly scores and events of any CSV or Parquet file."""

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(detect)


def detect(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: a time column and value columns.")],
    time_column: Annotated[
        str | None, typer.Option(help="Name of the time column, when not obvious.")
    ] = None,
    value_column: Annotated[
        list[str] | None,
        typer.Option(help="Name of a value column; repeatable. Default: all numeric."),
    ] = None,
) -> None:
    """Score every row (higher is more anomalous) and name events. JSON on stdout, always exit 0.

    Scores are causal: a row's score uses only the rows before it and itself. A score is null where
    not enough is known.
    """
    from service.detect_file import detect_file

    answer = detect_file(file, time_column, tuple(value_column or ()))
    typer.echo(json.dumps(answer, allow_nan=False))
