"""The HTTP server with deadlines: a client that is slow to ask is not kept waiting for ever.

uvicorn bounds the time between two requests, but neither that before the first nor that in the
middle of headers: connections left half open would stay for good. Bodies have deadlines of their
own where they are read.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""From the first byte (or from connecting) to the end of the headers; nginx allows 60, and a
telemetry exporter on any network needs less than one."""
MOST_CONNECTIONS = 512
"""Open at once; the next is closed at once. The number Prometheus' own server has."""


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose headers take too long, and one too many."""

    def __init__(self, *args: Any, header_seconds: float, most: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._header_seconds = header_seconds
        self._most = most
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, or refuse."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request is under way; start it for the next one."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._header_seconds, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def http_server(
    app: ASGIApp,
    host: str,
    port: int,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    header_seconds: float = HEADER_SECONDS,
    most_connections: int = MOST_CONNECTIONS,
) -> uvicorn.Server:
    """A server for *app*; call `service.doors.check_listen` first, then `run()` it."""
    protocol = partial(ImpatientProtocol, header_seconds=header_seconds, most=most_connections)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=32 << 10,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    return uvicorn.Server(config)
