"""`tidegauge mcp`: an MCP server on standard input and output, for an agent that starts it."""

from typing import Annotated

import typer

from service.cli.shared import ConfigOption, configuration


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("mcp")(serve)


def serve(
    api_url: Annotated[str | None, typer.Option("--api-url", help="Address of the API.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the incidents of a running Tidegauge to an agent over MCP (stdio). It only reads."""
    from service.client import client_for
    from service.mcp.over_stdio import serve_stdio
    from service.mcp.settings import summary_of

    settings = configuration(config, api_url=api_url).settings
    serve_stdio(client_for(settings), summary_of(settings))
