"""MCP at `/mcp` of the API: streamable HTTP, one request at a time, no session kept.

The doorkeeper of the API has checked token, Host, Origin and size before a request arrives here,
and checks them again for each thing a tool reads: with the caller's own token, in this process.
"""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.mcp.summary import SummaryEndpoint


@dataclass(slots=True)
class McpDoor:
    """An ASGI application; the SDK is loaded when the first request comes."""

    summary: SummaryEndpoint | None = None
    _server: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        if self._server is None:
            self._server = self._build()
        # One manager a request: nothing outlives it, whatever the client does next.
        manager = StreamableHTTPSessionManager(self._server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    def _build(self) -> Any:
        from service.mcp.server import Context, mcp_server
        from service.mcp.tool import Read, within

        def read_for(context: Context) -> Read:
            request = context.request
            assert isinstance(request, Request)
            return within(request.app, request.headers.get("authorization", ""))

        return mcp_server(read_for, self.summary)
