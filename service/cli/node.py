"""`tidegauge collect` and `tidegauge serve`: the node agent, and the server it reports to."""

from typing import Annotated

import typer

from service.cli.shared import ConfigOption, configuration


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(collect)
    app.command()(serve)


ForOption = Annotated[
    float | None, typer.Option("--for", min=1, help="Stop by itself after this many seconds.")
]


def collect(
    scrape: Annotated[
        list[str] | None,
        typer.Option(help="Page of a model server or gateway (URL#model=NAME); repeatable."),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="File that lists more such pages; read again on change.")
    ] = None,
    otlp_endpoint: Annotated[
        str | None, typer.Option(help="OTLP endpoint to export to: the server, or any backend.")
    ] = None,
    otlp_protocol: Annotated[str | None, typer.Option(help="grpc or http.")] = None,
    agent_port: Annotated[int | None, typer.Option(help="Port of the Prometheus page.")] = None,
    for_seconds: ForOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the node agent: read targets and GPUs, export OTLP, offer a Prometheus page."""
    from service.node_agent import run

    flags = {
        "scrape": scrape or None,
        "targets": targets,
        "otlp_endpoint": otlp_endpoint,
        "otlp_protocol": otlp_protocol,
        "agent_port": agent_port,
    }
    run(configuration(config, **flags), for_seconds)


def serve(
    data_dir: Annotated[str | None, typer.Option(help="Folder for series and incidents.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API and of OTLP over HTTP.")] = None,
    otlp_grpc_port: Annotated[
        int | None, typer.Option(help="Port of OTLP over gRPC; 0: off.")
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(help="Ask this Prometheus-compatible backend for series.")
    ] = None,
    for_seconds: ForOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the server: OTLP receiver, detection, incidents, API."""
    from service.running import run_server

    flags = {
        "data_dir": data_dir,
        "host": host,
        "port": port,
        "otlp_grpc_port": otlp_grpc_port,
        "prometheus_url": prometheus,
    }
    run_server(configuration(config, **flags), for_seconds)
