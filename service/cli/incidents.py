"""`tidegauge incidents`: work with incidents from a terminal."""

import getpass
import uuid
from enum import StrEnum
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
from service.client import ApiClient

app = typer.Typer(
    help="List, show and work with incidents.", no_args_is_help=True, rich_markup_mode=None
)

IdArgument = Annotated[str, typer.Argument(help="Incident id, as `list` shows it.")]
KeyOption = Annotated[
    str, typer.Option("--idempotency-key", help="Repeat a call safely with the same key.")
]


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="open, acknowledged, mitigated or resolved.")
    ] = None,
    severity: Annotated[str | None, typer.Option(help="critical, warning or info.")] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339 time: opened at or after it.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="Words in title or headline.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List incidents, newest first. Exit code 1 when any is not resolved."""
    answer = api_client(config, api_url).get(
        "/api/v1/incidents", state=state, severity=severity, since=since, q=query, limit=limit
    )
    found: list[dict[str, Any]] = answer["incidents"]
    if output is Output.JSON:
        print_json(found)
    elif not found:
        typer.echo("No incidents match.")
    else:
        print_table("", COLUMNS, [_row(one) for one in found])
    if any(one["state"] != "resolved" for one in found):
        raise typer.Exit(1)


COLUMNS = ("ID", "SEVERITY", "STATE", "SINCE", "TITLE", "MODEL", "ENTITY", "USD/H", "CAUSE")


def _row(one: dict[str, Any]) -> list[Any]:
    cause = one["causes"][0]["failure_mode"] if one["causes"] else ""
    return [
        one["id"], one["severity"], one["state"], one["since"], one["title"], one["model"],
        one["entity"]["name"], one["impact"]["usd_per_hour"], cause,
    ]  # fmt: skip


@app.command()
def show(
    incident_id: IdArgument,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one incident: what, who is hit, why, what changed, what to do."""
    one = api_client(config, api_url).get(f"/api/v1/incidents/{incident_id}")
    if output is Output.JSON:
        print_json(one)
        return
    typer.echo(printable(f"{one['title']}  [{one['severity']}, {one['state']}]"))
    typer.echo(printable(one["headline"]) + "\n")
    impact = one["impact"]
    heads = ("REQUESTS", "TOKENS LOST", "USD/H", "SLO BURN", "BUDGET BURNT", "BASIS")
    print_table("Impact", heads, [[
        impact["requests_affected"], impact["tokens_lost"], impact["usd_per_hour"],
        impact["slo_burn"], _percent(impact.get("slo_budget_burnt")), impact.get("basis"),
    ]])  # fmt: skip
    if impact.get("tenants_hit"):
        typer.echo("\n" + printable(f"Tenants hit: {', '.join(impact['tenants_hit'])}"))
    if impact.get("forecast"):
        typer.echo("\n" + printable(f"If nothing is done: {impact['forecast']}."))
    print_table("\nCauses, most likely first", ("SCORE", "CAUSE", "ENTITY", "WHY"), [
        [f"{c['score']:.2f}", c["failure_mode"], c["entity"]["name"], c["why"]]
        for c in one["causes"]
    ])  # fmt: skip
    print_table("\nWhat changed", ("OFFSET S", "KIND", "ENTITY", "WHAT"), [
        [f"{c['offset_seconds']:+.0f}", c["kind"], c["entity"]["name"], c["what"]]
        for c in one["changes"]
    ])  # fmt: skip
    print_table("\nSimilar before", ("ID", "SINCE", "ALIKE", "ENDED", "BY", "CARDS"), [
        [s["id"], s["since"], ", ".join(s["alike"]), s["ended"], s["ended_by"],
         ", ".join(s["cards"])] for s in one["similar"]
    ])  # fmt: skip
    print_table("\nEvidence", ("SIGNAL", "OBSERVED", "EXPECTED", "UNIT", "TEXT"), [
        [e["signal"], _round(e["observed"]), _round(e["expected"]), e.get("unit"), e["text"]]
        for e in one["evidence"]
    ])  # fmt: skip
    for card in one["actions"]:
        typer.echo("\n" + printable(f"{card['card']}  {card['title']}  ({card['autonomy']})"))
        for field in ("precondition", "command", "dry_run", "verify", "undo", "risk"):
            typer.echo(printable(f"  {field:<13} {card[field]}"))
    typer.echo("")
    print_table("Activity", ("AT", "WHO", "WHAT", "TEXT"), [
        [line["at"], line["who"], line["what"], line["text"]] for line in one["activity"]
    ])  # fmt: skip


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"


@app.command()
def handover(
    since: Annotated[
        str | None, typer.Option(help="RFC 3339 start of the shift; 8 h ago when not given.")
    ] = None,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print what the next shift must know, as Markdown: open, changed, kept quiet, owed."""
    from service.handover import markdown

    told = api_client(config, api_url).get("/api/v1/handover", since=since)
    if output is Output.JSON:
        print_json(told)
    else:
        typer.echo(markdown(told))


@app.command()
def changes(
    pool: Annotated[str | None, typer.Option(help="Only of this pool: namespace/name.")] = None,
    kind: Annotated[str | None, typer.Option(help="By commas: rollout,config,…")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what was changed in the last day, and what it did: verdicts with their reasons."""
    found = api_client(config, api_url).get("/api/v1/changes", pool=pool, kind=kind, limit=limit)
    if output is Output.JSON:
        print_json(found["changes"])
        return
    print_table("", ("AT", "KIND", "POOL", "WHAT", "VERDICT", "BECAUSE"), [
        [c["at"], c["kind"], c["pool"], c["what"], *_verdict(c)] for c in found["changes"]
    ])  # fmt: skip


def _verdict(change: dict[str, Any]) -> tuple[str, str]:
    told = change["verdict"]
    return (told["word"].replace("_", " "), told["text"]) if told else ("", "")


def _round(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _act(client: ApiClient, incident_id: str, verb: str, body: dict[str, Any], key: str) -> None:
    body = {"who": getpass.getuser(), **body}
    one = client.post(f"/api/v1/incidents/{incident_id}/{verb}", body, key or uuid.uuid4().hex)
    typer.echo(f"{one['id']}: {one['state']}")


@app.command()
def ack(
    incident_id: IdArgument,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    key: KeyOption = "",
) -> None:
    """Acknowledge: you are looking at it."""
    _act(api_client(config, api_url), incident_id, "ack", {}, key)


@app.command()
def assign(
    incident_id: IdArgument,
    assignee: Annotated[str, typer.Argument(help="Who takes it.")],
    config: ConfigOption = None,
    api_url: ApiOption = None,
    key: KeyOption = "",
) -> None:
    """Give the incident to somebody."""
    _act(api_client(config, api_url), incident_id, "assign", {"assignee": assignee}, key)


@app.command()
def silence(
    incident_id: IdArgument,
    minutes: Annotated[float, typer.Option(min=1, max=1440, help="For how long.")] = 60,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    config: ConfigOption = None,
    api_url: ApiOption = None,
    key: KeyOption = "",
) -> None:
    """Stop notifications of this incident for a while."""
    body = {"seconds": minutes * 60, "reason": reason}
    _act(api_client(config, api_url), incident_id, "silence", body, key)


@app.command()
def resolve(
    incident_id: IdArgument,
    reason: Annotated[str, typer.Option(help="What ended it.")] = "",
    config: ConfigOption = None,
    api_url: ApiOption = None,
    key: KeyOption = "",
) -> None:
    """Close the incident by hand."""
    _act(api_client(config, api_url), incident_id, "resolve", {"reason": reason}, key)


@app.command()
def note(
    incident_id: IdArgument,
    text: Annotated[str, typer.Argument(help="What to remember.")],
    config: ConfigOption = None,
    api_url: ApiOption = None,
    key: KeyOption = "",
) -> None:
    """Write a line into the incident's activity."""
    _act(api_client(config, api_url), incident_id, "note", {"text": text}, key)


class Document(StrEnum):
    """How a report is written."""

    MARKDOWN = "markdown"
    HTML = "html"


@app.command()
def report(
    incident_id: IdArgument,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    document: Annotated[
        Document, typer.Option("--format", help="markdown, or one html file with charts.")
    ] = Document.MARKDOWN,
) -> None:
    """Print the incident as a report: Markdown for a ticket, or HTML that stands by itself."""
    path = f"/api/v1/incidents/{incident_id}/report"
    typer.echo(api_client(config, api_url).text(path, format=document.value), nl=False)
