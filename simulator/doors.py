"""The simulated pages behind real sockets: what a scraper on this machine can reach.

A dead replica closes the connection without a word, a hung one takes it and says nothing.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from simulator.pages.text import CONTENT_TYPE
from simulator.world import World
from vocabulary.contracts import Clock
from vocabulary.errors import SourceDown, SourceHung

_PATIENCE = 60.0
"""Wall seconds after which a hung door lets go of its thread."""
_QUEUE = 64


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = _QUEUE

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that hung up is no error of ours."""


class Doors:
    """An HTTP server on the loopback interface; pages show the world as it is on *clock*."""

    def __init__(self, world: World, clock: Clock, port: int = 0) -> None:
        """Listen on *port*, or on any free one when 0.

        Raises:
            OSError: The port is taken.
        """
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(world, clock, self._closing))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="doors", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`; a target's page is this and its path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and let go of every hung connection."""
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _handler(world: World, clock: Clock, closing: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, _, rest = self.path.lstrip("/").partition("/")
            gateway = name == world.gateway_name
            if rest == "metrics" and gateway:
                self._answer(307, b"", {"Location": f"/{name}/metrics/"})  # as LiteLLM does
                return
            if rest not in ("metrics", "health", "metrics/"):
                self._answer(404, b"not found\n")
                return
            try:
                with world.lock:
                    world.advance(clock.now())
                    body = world.page(name)
            except SourceDown:
                self.close_connection = True
                return
            except SourceHung:
                closing.wait(_PATIENCE)
                self.close_connection = True
                return
            self._answer(200, b"" if rest == "health" else body)

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Pages are read every few seconds; nobody wants a line for each."""

    return Handler
