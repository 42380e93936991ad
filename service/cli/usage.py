"""`tidegauge usage`: what was used, by whom, at what price."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metering.ledger import Ledger
from service.cli.shared import (
    ConfigOption,
    Output,
    OutputOption,
    complain,
    configuration,
    print_json,
    print_table,
)
from vocabulary.errors import ConfigError, NotFound

app = typer.Typer(help="Totals of metered usage.", no_args_is_help=True, rich_markup_mode=None)

FromOption = Annotated[
    str | None, typer.Option("--from", help="Start, RFC 3339 or a date. Default: 30 days ago.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="End, not included. Default: now.")]
ByOption = Annotated[str, typer.Option(help="Group by tenant, model, pool (comma-separated).")]
DataOption = Annotated[str | None, typer.Option(help="Data directory of `up` or `serve`.")]


@app.command()
def report(
    start: FromOption = None,
    end: ToOption = None,
    by: ByOption = "tenant,model",
    data_dir: DataOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tokens and money of a period; what has no price is named and never counted as free."""
    from metering.statement import as_json, statement
    from service.usage import dimensions

    ledger = _ledger(config, data_dir)
    made = as_json(statement(ledger, *_period(start, end), dimensions(by)))
    if output is Output.JSON:
        print_json(made)
        return
    columns = ("tenant", "model", "pool", "input_tokens", "cached_input_tokens", "output_tokens",
               "operations", "usd", "unpriced_tokens", "price_source", "price_date")  # fmt: skip
    rows = [[line[name] for name in columns] for line in made["lines"]]
    title = (
        f"{made['start']} to {made['end']}, from {made['source']} ({made['vantage'] or 'no data'})"
    )
    print_table(title, [name.replace("_", " ").upper() for name in columns], rows)
    gpu_rows = [
        [one["pool"], one["model"], one["gpu_seconds"], one["usd"], one["price_source"]]
        for one in made["gpu_time"]
    ]
    if gpu_rows:
        head = ("POOL", "MODEL", "GPU SECONDS", "USD", "PRICE SOURCE")
        print_table("\nGPU time paid for", head, gpu_rows)
    typer.echo(f"Total: {made['total_usd'] or 'nothing priced'} USD, "
               f"{made['unpriced_tokens']} tokens unpriced")  # fmt: skip


@app.command()
def runs(
    start: FromOption = None,
    end: ToOption = None,
    data_dir: DataOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """What runs of agents used (conversations, or traces without one), most tokens first."""
    from service.usage import run_rows

    rows = run_rows(_ledger(config, data_dir), *_period(start, end))
    if output is Output.JSON:
        print_json(rows)
        return
    columns = ("tenant", "agent", "run", "from", "attempts", "failed_attempts", "input_tokens",
               "output_tokens", "usd", "unpriced_attempts")  # fmt: skip
    head = [name.replace("_", " ").upper() for name in columns]
    print_table("Runs of agents", head, [[row[name] for name in columns] for row in rows])


class Format(StrEnum):
    """What `usage export` writes."""

    CSV = "csv"
    FOCUS = "focus"
    """FOCUS 1.2 cost and usage rows, one a day, tenant, model, token kind and rate."""


@app.command()
def export(
    start: FromOption = None,
    end: ToOption = None,
    by: ByOption = "tenant,model,pool",
    form: Annotated[Format, typer.Option("--format", help="csv or focus.")] = Format.CSV,
    data_dir: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """The report as CSV, or as FOCUS rows, on stdout."""
    from metering import focus
    from metering.statement import as_csv, statement
    from service.usage import dimensions

    ledger = _ledger(config, data_dir)
    if form is Format.CSV:
        typer.echo(as_csv(statement(ledger, *_period(start, end), dimensions(by))), nl=False)
        return
    cluster = configuration(config, data_dir=data_dir).settings.cluster
    made = focus.export(ledger, *_period(start, end), focus.Issuer("Tidegauge", cluster))
    typer.echo(focus.as_csv(made), nl=False)
    if made.unpriced_tokens:
        complain(f"{made.unpriced_tokens} tokens have no price and are left out; price them first")


@app.command()
def verify(
    start: FromOption = None,
    end: ToOption = None,
    data_dir: DataOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare spans, gateway and engine counters. Exit code 1 when they do not agree."""
    import dataclasses

    from metering.reconciliation import verify as compare

    found = compare(_ledger(config, data_dir), *_period(start, end))
    if output is Output.JSON:
        print_json(dataclasses.asdict(found))
    else:
        rows = [
            [one.model, one.spans, one.gateway, one.engine, one.capture_ratio, one.agrees]
            for one in found.models
        ]
        head = ("MODEL", "SPANS", "GATEWAY", "ENGINE", "CAPTURE RATIO", "AGREES")
        print_table("Tokens by where they were counted", head, rows)
        typer.echo(f"Conflicting spans: {found.conflicts}")
    if not found.sound:
        raise typer.Exit(1)


def _ledger(config: Path | None, data_dir: str | None) -> Ledger:
    from service import assembly

    settings = configuration(config, data_dir=data_dir).settings
    if not (settings.data_dir / assembly.LEDGER_FILE).exists():
        raise NotFound(f"no usage was recorded in {settings.data_dir}; name another --data-dir")
    return assembly.ledger_of(settings, assembly.price_book(settings))


def _period(start: str | None, end: str | None) -> tuple[float, float]:
    from service.clock import WallClock

    now = datetime.fromtimestamp(WallClock().now(), UTC)
    last = _moment(end, "--to") if end else now + timedelta(hours=1)
    first = _moment(start, "--from") if start else last - timedelta(days=30)
    if first >= last:
        raise ConfigError(f"--from ({first.isoformat()}) must lie before --to ({last.isoformat()})")
    return first.timestamp(), last.timestamp()


def _moment(text: str, flag: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{flag} {text!r} is no time; write 2026-11-25T10:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
