"""`tidegauge maintenance`: say where work is done, so that nobody is told of what it breaks."""

import uuid
from typing import Annotated, Any

import typer

from service.cli.shared import (
    ApiOption,
    ConfigOption,
    Output,
    OutputOption,
    api_client,
    print_json,
    print_table,
    printable,
)

app = typer.Typer(
    help="Open, list and end maintenance windows.", no_args_is_help=True, rich_markup_mode=None
)
PATH = "/api/v1/maintenance"


@app.command("list")
def list_(
    since: Annotated[
        str | None, typer.Option(help="RFC 3339: those not over then; now when not given.")
    ] = None,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List windows, the next to begin first."""
    found = api_client(config, api_url).get(PATH, since=since)["maintenance"]
    if output is Output.JSON:
        print_json(found)
    elif not found:
        typer.echo("No maintenance is planned or under way.")
    else:
        print_table("", ("ID", "STATE", "FROM", "UNTIL", "WHERE", "WHO", "REASON"), [
            [one["id"], one["state"], one["starts_at"], one["ends_at"], _where(one["scope"]),
             one["who"], one["reason"]] for one in found
        ])  # fmt: skip


def _where(scope: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in scope.items() if value)


@app.command()
def start(
    minutes: Annotated[float, typer.Option(min=1, help="For how long.")],
    pool: Annotated[str, typer.Option(help="This pool: namespace/name.")] = "",
    node: Annotated[str, typer.Option(help="This node.")] = "",
    entity: Annotated[str, typer.Option(help="This one: kind/id.")] = "",
    failure_mode: Annotated[str, typer.Option(help="Only this failure mode.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    at: Annotated[str | None, typer.Option(help="RFC 3339: begins then; now if absent.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what it would cover, and keep nothing.")
    ] = False,
    config: ConfigOption = None,
    api_url: ApiOption = None,
) -> None:
    """Open a window: what is found in it is recorded and told to nobody. It ends by itself."""
    scope = {"entity": entity, "pool": pool, "node": node, "failure_mode": failure_mode}
    body: dict[str, Any] = {"scope": scope, "seconds": minutes * 60.0, "reason": reason}
    if at is not None:
        body["starts_at"] = at
    client = api_client(config, api_url)
    covered = client.post(f"{PATH}/preview", body)
    typer.echo(
        f"Covers {covered['replicas_inside']} of {covered['replicas_known']} replicas"
        f" and {len(covered['incidents'])} incidents that go on."
    )
    for incident in covered["incidents"]:
        typer.echo(printable(f"  {incident}: who was told of it stays told; silence it by itself"))
    if preview:
        return
    one = client.post(PATH, body, uuid.uuid4().hex)
    typer.echo(printable(f"{one['id']}: {one['state']} until {one['ends_at']}"))


@app.command()
def end(
    window_id: Annotated[str, typer.Argument(help="Id of a window, as `list` shows it.")],
    config: ConfigOption = None,
    api_url: ApiOption = None,
) -> None:
    """End a window before its time; what goes on in it is told from then on."""
    one = api_client(config, api_url).post(f"{PATH}/{window_id}/end", {})
    typer.echo(printable(f"{one['id']}: {one['state']}"))
