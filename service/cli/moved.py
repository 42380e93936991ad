"""`tidegauge moved`: which signals left their usual, the first to move first."""

from typing import Annotated, Any

import typer

from service.cli.shared import (
    ConfigOption,
    Output,
    OutputOption,
    configuration,
    print_json,
    print_table,
)
from service.client import client_for

COLUMNS = ("SINCE", "SCORE", "ENTITY", "SIGNAL", "FAMILY", "", "VALUE", "USUALLY")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(moved)


def moved(
    incident: Annotated[
        str | None, typer.Argument(help="Only around this incident; else the last hour.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 30,
    api_url: Annotated[str | None, typer.Option("--api-url", help="Address of the API.")] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what moved first and most, and how the budget of unusual behaviour is kept."""
    client = client_for(configuration(config, api_url=api_url).settings)
    told = client.get("/api/v1/behaviour", incident=incident, limit=limit)
    if output is Output.JSON:
        print_json(told)
        return
    if told["moves"]:
        print_table("", COLUMNS, [_row(one) for one in told["moves"]])
    else:
        typer.echo(f"Nothing moved; {told['series']} series are followed.")
    budget = told["budget"]
    if budget:
        typer.echo(
            f"Unusual now: {', '.join(told['unusual']) or 'nobody'}. Statements lately:"
            f" {budget['made_lately']} made, {budget['allowed_lately']} allowed"
            f" ({budget['per_week']:g} a week)."
        )


def _row(one: dict[str, Any]) -> list[Any]:
    return [
        one["since"], one["score"], one["entity"], one["signal"], one["family"], one["direction"],
        f"{one['value']:.4g}", f"{one['usual']:.4g}",
    ]  # fmt: skip
