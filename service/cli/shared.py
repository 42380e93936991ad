"""What every command shares: options, the effective configuration, tables and JSON."""

import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.client import ApiClient, client_for
from service.config import CONFIG_VARIABLE, Config, load
from service.markdown_text import one_line


class Output(StrEnum):
    """How a command prints its data."""

    TABLE = "table"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file (tidegauge.yaml).", envvar=CONFIG_VARIABLE),
]
ApiOption = Annotated[str | None, typer.Option("--api-url", help="Address of the API.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="table or json.")]


def configuration(file: Path | None, **flags: Any) -> Config:
    """The effective configuration: *file* (or ./tidegauge.yaml), environment, *flags*."""
    if file is None and Path("tidegauge.yaml").is_file():
        file = Path("tidegauge.yaml")
    return load(file, os.environ, flags)


def api_client(config: Path | None, api_url: str | None) -> ApiClient:
    """A client of the API that the flags, or else the configuration, name."""
    return client_for(configuration(config, api_url=api_url).settings)


def printable(text: object) -> str:
    """*text* as one line in which nothing can steer a terminal."""
    return one_line(text)


def complain(sentence: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"tidegauge: {printable(sentence)}\n")


def print_json(value: Any) -> None:
    """Data on stdout, in ASCII: a C1 control character steers a terminal as well as ESC does."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout; cells are plain text and never markup."""
    table = Table(
        title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False
    )
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text("-" if cell in {None, ""} else printable(cell)) for cell in row))
    _terminal().print(table)


def _terminal() -> Console:
    console = Console(soft_wrap=False)
    return console if console.is_terminal else Console(width=200)
