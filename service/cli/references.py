"""`tidegauge docs`: reference pages out of the code."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write the reference pages.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `build` a sub-command although it is the only one."""


@app.command()
def build(
    folder: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("docs"),
) -> None:
    """Write docs/metrics.md, signals.md, failure-modes.md and configuration.md."""
    from service.references import write

    for file in write(folder):
        typer.echo(f"wrote {file}")
