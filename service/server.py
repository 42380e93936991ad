"""An ASGI server in a thread that starts, says when it is ready, and stops."""

import threading
import time
from dataclasses import dataclass, field
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
