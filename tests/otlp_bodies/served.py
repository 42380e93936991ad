"""The real application on loopback ports: HTTP by uvicorn in a thread, OTLP also over gRPC."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from service.api.listening import http_server
from service.doors import Doors
from service.otlp.over_grpc import listen
from service.otlp.receiver import Receiver
from vocabulary.contracts import Clock


@dataclass(frozen=True)
class Served:
    port: int
    grpc_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def over_http(app: ASGIApp, **settings: float) -> Iterator[Served]:
    """*app* behind a real socket."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = http_server(app, "127.0.0.1", 0, **settings)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "uvicorn did not start"
        time.sleep(0.01)
    try:
        yield Served(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def over_grpc(receiver: Receiver, doors: Doors, clock: Clock) -> Iterator[int]:
    """The receiver behind a gRPC port."""
    server, port = listen(receiver, doors, clock, "127.0.0.1:0")
    try:
        yield port
    finally:
        server.stop(0).wait(5)
