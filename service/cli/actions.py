"""`tidegauge actions`: plans, who said yes to them, doing them, and the log of all of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service import assembly
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
from store.action_log import Entry, fault

app = typer.Typer(
    help="List action cards; plan, approve and execute them where that is switched on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
PATH = "/api/v1/actions"

IdArgument = Annotated[str, typer.Argument(help="Action id, as `list` shows it.")]
PlanOption = Annotated[
    str, typer.Option("--plan", help="The plan that is meant, as `dry-run` gave it.")
]
TokenOption = Annotated[
    Path | None, typer.Option("--token-file", help="File with your own token, not the shared one.")
]


@app.command("list")
def list_(
    config: ConfigOption = None, api_url: ApiOption = None, output: OutputOption = Output.TABLE
) -> None:
    """List the cards of incidents that go on, and how their newest plan stands."""
    found: list[dict[str, Any]] = api_client(config, api_url).get(PATH)["actions"]
    if output is Output.JSON:
        print_json(found)
    elif not found:
        typer.echo("No incident that goes on has an action card.")
    else:
        print_table("", ("ACTION", "TITLE", "NEEDS", "HOLDS", "PLAN", "STATE", "WHY NOT HERE"), [
            [one["id"], one["title"], one["autonomy"], _holds(one["precondition_met"]),
             *_newest(one), one["why_not"]] for one in found
        ])  # fmt: skip


def _holds(met: bool | None) -> str:
    return {True: "yes", False: "no", None: "ask"}[met]


def _newest(one: dict[str, Any]) -> tuple[str, str]:
    if not one["plans"]:
        return "", ""
    plan = one["plans"][0]
    return plan["plan"], "expired" if plan["expired"] else plan["state"]


@app.command()
def show(
    action_id: IdArgument,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one card and every plan that was made for it."""
    one = api_client(config, api_url).get(f"{PATH}/{action_id}")
    if output is Output.JSON:
        print_json(one)
        return
    typer.echo(printable(f"{one['card']}  {one['title']}  ({one['autonomy']})"))
    for field in ("precondition", "command", "dry_run", "verify", "undo", "risk", "why_not"):
        typer.echo(printable(f"  {field:<13} {one[field] or '-'}"))
    for plan in one["plans"]:
        _print_plan(plan)


@app.command("dry-run")
def dry_run(
    action_id: IdArgument,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    token_file: TokenOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a plan: the API server tries the write and keeps nothing. Exit code 1 without one."""
    told = _client(config, api_url, token_file).post(f"{PATH}/{action_id}/dry-run", {})
    if output is Output.JSON:
        print_json(told)
    elif told["plan"] is None:
        typer.echo(printable(f"No plan: {told['why_not']}."))
        typer.echo(printable(f"  dry run  {told['dry_run']}"))
        typer.echo(printable(f"  command  {told['command']}"))
    else:
        _print_plan(told["plan"])
        typer.echo(printable(f"\nNext: tidegauge actions approve {action_id} "
                             f"--plan {told['plan']['plan']} --token-file FILE"))  # fmt: skip
    if told["plan"] is None:
        raise typer.Exit(1)


@app.command()
def approve(
    action_id: IdArgument,
    plan: PlanOption = "",
    config: ConfigOption = None,
    api_url: ApiOption = None,
    token_file: TokenOption = None,
) -> None:
    """Say yes to exactly this plan, in your own name."""
    client = _client(config, api_url, token_file)
    told = client.post(f"{PATH}/{action_id}/approve", {"plan": plan})
    names, needed = ", ".join(told["approved_by"]), told["approvals_needed"]
    enough = "enough" if told["approved"] else "not enough yet"
    typer.echo(printable(f"Approved by {names}; {needed} needed: {enough}."))


@app.command()
def execute(
    action_id: IdArgument,
    plan: PlanOption = "",
    config: ConfigOption = None,
    api_url: ApiOption = None,
    token_file: TokenOption = None,
) -> None:
    """Carry the plan out, once, if every guard lets it. Exit code 1 unless it was done."""
    client = _client(config, api_url, token_file)
    told = client.post(f"{PATH}/{action_id}/execute", {"plan": plan})
    before = "It was executed before and is not done again. " if told["again"] else ""
    typer.echo(printable(f"{before}{told['state']}: {told['answer']}"))
    if told["state"] == "unknown":
        typer.echo("Whether it was done is not known: look at the object before anything else.")
    if told["state"] in {"failed", "unknown", "not cured"}:
        raise typer.Exit(1)


@app.command()
def audit(
    verify: Annotated[
        bool, typer.Option("--verify", help="Work every hash out anew; exit code 1 if one is off.")
    ] = False,
    config: ConfigOption = None,
    api_url: ApiOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print the log of actions, or verify it and print the last hash, to be kept elsewhere."""
    entries, told = _whole_log(api_client(config, api_url))
    if verify:
        wrong = fault([_entry(one) for one in entries], told)
        if wrong:
            typer.echo(printable(f"The log was altered: {wrong}."))
            raise typer.Exit(1)
        last = entries[-1]["hash"] if entries else "-"
        typer.echo(f"{len(entries)} entries follow from each other. Last hash: {last}")
    elif output is Output.JSON:
        print_json(entries)
    else:
        print_table("", ("NO", "AT", "WHO", "WHAT", "ACTION", "PLAN", "HASH"), [
            [one["sequence"], one["time"], one["who"], one["what"], one["action"], one["plan"],
             one["hash"][:16]] for one in entries
        ])  # fmt: skip


def _whole_log(client: ApiClient) -> tuple[list[dict[str, Any]], int]:
    entries: list[dict[str, Any]] = []
    while True:
        after = entries[-1]["sequence"] if entries else 0
        page = client.get(f"{PATH}/audit", after=after, limit=500)
        entries += page["entries"]
        if len(page["entries"]) < 500:
            return entries, int(page["told"])


def _entry(one: dict[str, Any]) -> Entry:
    return Entry(**{name: value for name, value in one.items() if name != "time"})


def _client(config: Path | None, api_url: str | None, token_file: Path | None) -> ApiClient:
    client = api_client(config, api_url)
    return client if token_file is None else ApiClient(client.url, assembly.secret(token_file))


def _print_plan(plan: dict[str, Any]) -> None:
    state = "expired" if plan["expired"] else plan["state"]
    typer.echo(printable(f"\nPlan {plan['plan']}: {state}, good until {plan['expires_at']}"))
    rows = {
        "touches": ", ".join(plan["touches"]),
        "made for": f"{plan['made_for']['replicas_seen']} replicas seen, "
        f"resourceVersion {plan['made_for']['resource_version']}",
        "request": plan["request"],
        "approved by": ", ".join(plan["approved_by"]) or f"nobody of {plan['approvals_needed']}",
        "answer": plan["answer"] or "-",
        "check": plan["check"] or "-",
    }
    for name, value in rows.items():
        typer.echo(printable(f"  {name:<12} {value}"))
    for line in plan["diff"].splitlines():
        typer.echo("  " + printable(line))
