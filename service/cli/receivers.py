"""`tidegauge receivers`: whom incidents are told to directly, and whether they hear."""

from typing import Annotated

import typer

from service.cli.shared import (
    ConfigOption,
    Output,
    OutputOption,
    configuration,
    print_json,
    print_table,
)

app = typer.Typer(
    help="See and test whom incidents are told to directly.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """List the configured receivers; nothing is sent."""
    from service.receivers import receivers_of

    rows = [
        {"name": name, "kind": type(one).__name__.lower(), "severities": list(one.severities)}
        for name, one in receivers_of(configuration(config)).items()
    ]
    if output is Output.JSON:
        print_json(rows)
    elif not rows:
        typer.echo("No receivers are configured; docs/receivers.md shows how.")
    else:
        table = [[row["name"], row["kind"], ", ".join(row["severities"])] for row in rows]
        print_table("", ("NAME", "KIND", "SEVERITIES"), table)


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(help="Name of a receiver, as `list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Send one message that says that it is a test. Exit code 3 when it was not taken."""
    from incidents.peer import Outcome
    from incidents.receivers._message import sample_message
    from service.clock import WallClock
    from service.receivers import receivers_of
    from vocabulary.errors import ConfigError, StoreUnreachable
    from vocabulary.failure_modes import ENGINE_STALLED

    told = receivers_of(configuration(config))
    if name not in told:
        known = ", ".join(told) or "none is configured"
        raise ConfigError(f"there is no receiver {name!r}; known: {known}")
    answer = told[name].send(sample_message(ENGINE_STALLED, WallClock().now()))
    if answer.outcome is not Outcome.ACCEPTED:
        raise StoreUnreachable(f"{name} did not take it: {answer.said}")
    typer.echo(f"{name} took a test message.")
