"""`tidegauge console`: the Streamlit console against an API."""

from typing import Annotated

import typer

from service.cli.shared import ConfigOption, configuration


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(console)


def console(
    api_url: Annotated[str | None, typer.Option(help="Address of the API.")] = None,
    console_port: Annotated[int | None, typer.Option(help="Port to serve the console on.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the console until Ctrl-C."""
    import os

    from service.client import client_for
    from service.console_process import API_VARIABLE, TOKEN_VARIABLE, demand_trust, serve
    from service.network import demand_free

    settings = configuration(config, api_url=api_url, console_port=console_port).settings
    client = client_for(settings)
    demand_free(settings.host, settings.console_port, "console", "--console-port")
    demand_trust(settings)
    os.environ[API_VARIABLE] = client.url
    os.environ[TOKEN_VARIABLE] = client.token
    typer.echo(f"Console on http://{settings.host}:{settings.console_port}", err=True)
    serve(settings.host, settings.console_port)
