"""`tidegauge bench`: run one of benchmarks/ and print its figures."""

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from vocabulary.errors import NotFound

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench)


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="File name in benchmarks/, without .py.")] = "",
) -> None:
    """Run a benchmark; figures as JSON on stdout. What follows the name is passed on to it."""
    known = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    if name not in known:
        raise NotFound(f"there is no benchmark {name!r}; known: {', '.join(known) or 'none here'}")
    before = sys.argv
    sys.argv = [str(BENCHMARKS / f"{name}.py"), *context.args]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv = before
