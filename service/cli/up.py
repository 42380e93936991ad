"""`tidegauge up`: everything on one machine."""

from typing import Annotated

import typer

from service.cli.shared import ConfigOption, Output, OutputOption, configuration


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(up)


def up(
    demo: Annotated[
        bool,
        typer.Option("--demo", help="A simulated GPU cluster with faults, driven by real traces."),
    ] = False,
    scrape: Annotated[
        list[str] | None,
        typer.Option(help="Page of a model server or gateway (URL#model=NAME); repeatable."),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="File that lists more such pages; read again on change.")
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(help="Ask this Prometheus-compatible backend for series.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder for series and incidents.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API (8780).")] = None,
    console_port: Annotated[int | None, typer.Option(help="Port of the console (8501).")] = None,
    no_console: Annotated[
        bool, typer.Option("--no-console", help="Do not start the console.")
    ] = False,
    for_seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="Stop by itself after this many seconds.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="How many times faster than the wall the demo runs (10).")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run agent, server and console here. Ends with exit code 1 when there were incidents."""
    from service.running import run_up

    flags = {
        "scrape": scrape or None,
        "targets": targets,
        "prometheus_url": prometheus,
        "data_dir": data_dir,
        "port": port,
        "console_port": console_port,
        "demo_speed": speed,
    }
    found = run_up(
        configuration(config, **flags), demo=demo, console=not no_console, for_seconds=for_seconds
    )
    if output is Output.JSON:
        from service.cli.shared import print_json

        print_json(found)
    if found:
        raise typer.Exit(1)
