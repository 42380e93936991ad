"""The `tidegauge` command: one function a command, errors in one line, exit codes as promised.

Exit codes: 0 ok, 1 findings, 2 usage, 3 unreachable. Data goes to stdout, logs to stderr.
"""

import sys
from importlib.metadata import version as package_version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from service import logs
from service.cli import (
    actions,
    backtest,
    bench,
    changes,
    console,
    detect,
    drill,
    incidents,
    inspect,
    maintenance,
    mcp,
    moved,
    node,
    receivers,
    references,
    rules,
    up,
    usage,
)
from service.cli.shared import complain
from vocabulary.errors import SourceError, StoreUnreachable, TidegaugeError

app = typer.Typer(
    name="tidegauge",
    help="The open AI-SRE stack for LLM inference: engine, GPU, change, tenant and money, joined.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (up, node, console, detect, changes, backtest, drill, bench, inspect, mcp, moved):
    module.register(app)
app.add_typer(incidents.app, name="incidents")
app.add_typer(actions.app, name="actions")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(usage.app, name="usage")
app.add_typer(receivers.app, name="receivers")
app.add_typer(rules.app, name="rules")
app.add_typer(inspect.config_app, name="config")
app.add_typer(references.app, name="docs")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegauge {package_version('tidegauge')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; known errors become one line and an exit code."""
    logs.configure()
    try:
        code = app(prog_name="tidegauge", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        _explain(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(130)
    except (StoreUnreachable, SourceError) as error:
        complain(str(error))
        sys.exit(3)
    except TidegaugeError as error:
        complain(str(error))
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _explain(error: TyperException) -> None:
    """Wrong usage in one line, with where to read on; a bare command shows its help."""
    message = error.format_message()
    if message.startswith("Usage:"):
        typer.echo(message, err=True)
        return
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "tidegauge"
    complain(f"{message.rstrip('.')}; see `{where} --help`")
