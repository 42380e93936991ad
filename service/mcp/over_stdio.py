"""MCP over standard input and output: for an agent that starts `tidegauge mcp` itself."""

import anyio
from mcp.server.stdio import stdio_server

from service.client import ApiClient
from service.mcp.server import mcp_server
from service.mcp.summary import SummaryEndpoint
from service.mcp.tool import over_network


def serve_stdio(client: ApiClient, summary: SummaryEndpoint | None) -> None:
    """Answer until the other side closes; nothing else may be written to standard output."""
    read = over_network(client)
    server = mcp_server(lambda _context: read, summary)

    async def serve() -> None:
        async with stdio_server() as (inbound, outbound):
            await server.run(inbound, outbound, server.create_initialization_options())

    anyio.run(serve)
