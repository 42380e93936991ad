"""ASGI and plain-page servers in threads that start, say when they are ready, and stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn

from service.api.listening import http_server
from vocabulary.errors import ConfigError

START_SECONDS = 15.0


@dataclass(slots=True)
class HttpServer:
    """One ASGI application served by uvicorn in a thread."""

    app: Any
    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None
    _server: uvicorn.Server = field(init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Return when it answers.

        Raises:
            ConfigError: It could not bind.
        """
        self._server = http_server(self.app, self.host, self.port, self.tls_cert, self.tls_key)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ConfigError(
                    f"could not listen on {self.host}:{self.port}; is the port taken?"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        """Finish what is being answered, within two seconds."""
        self._server.should_exit = True
        self._thread.join(timeout=3)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            # uvicorn leaves this way when it cannot bind; start() says so in our words.
            return


class PageServer:
    """Serves one Prometheus page; what the agent of a node offers to a scraper."""

    def __init__(self, host: str, port: int, page: Callable[[], bytes]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path.split("?")[0] not in {"/metrics", "/healthz"}:
                    self.send_error(404)
                    return
                body = page() if self.path.startswith("/metrics") else b"ok\n"
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A scraper asks all day long; nobody needs a line each time."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigError(f"could not listen on {host}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="page", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)
