"""The real application on loopback ports: HTTP by uvicorn in a thread, OTLP also over gRPC."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from otlp_bodies.recorded import RECORDED_AT, Kept
from starlette.types import ASGIApp

from service.api import Info, Wiring, create_app, receiver_of
from service.api.listening import http_server
from service.clock import ManualClock
from service.doors import Doors, Right, token_of
from service.otlp.over_grpc import listen
from service.otlp.receiver import Receiver
from vocabulary.contracts import Clock
from vocabulary.scene import Scene

AGENT = "agent-secret-0123456789"
APP = "app-secret-0123456789"
DOORS = Doors(
    (
        token_of("agent", AGENT, frozenset({Right.COLLECT})),
        token_of("app", APP, frozenset({Right.INGEST})),
    )
)


def wiring(kept: Kept, clock: Clock | None = None, **more: Any) -> Wiring:
    """Sinks that remember, and nothing else behind the API."""
    sinks = kept.sinks
    settings: dict[str, Any] = {
        "store": None,
        "desk": None,
        "scene": lambda: Scene(0.0, frame=cast("Any", None)),
        "usage": lambda *_: [],
        "budgets": list,
        "ingest_samples": sinks.samples,
        "ingest_usage": sinks.usage,
        "ingest_changes": sinks.changes,
        "alert_in": lambda _: 0,
        "self_page": lambda: b"",
        "clock": clock or ManualClock(RECORDED_AT),
        "doors": DOORS,
        "info": lambda: Info("0", None),
    }
    return Wiring(**{**settings, **more})


@contextmanager
def over_http(app: ASGIApp, **settings: Any) -> Iterator[int]:
    """The port of *app* behind a real socket."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = http_server(app, "127.0.0.1", 0, **settings)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "uvicorn did not start"
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def over_grpc(receiver: Receiver, clock: Clock | None = None) -> Iterator[int]:
    """The port of *receiver* behind gRPC."""
    server, port = listen(receiver, DOORS, clock or ManualClock(RECORDED_AT), "127.0.0.1:0")
    try:
        yield port
    finally:
        server.stop(0).wait(5)


@contextmanager
def both(kept: Kept, clock: Clock | None = None, **more: Any) -> Iterator[tuple[int, int]]:
    """Ports of HTTP and gRPC with one receiver behind both."""
    wired = wiring(kept, clock, **more)
    receiver = receiver_of(wired)
    app = create_app(wired, receiver)
    with over_http(app) as http_port, over_grpc(receiver, wired.clock) as grpc_port:
        yield http_port, grpc_port


def main() -> None:
    """Serve until standard input closes; prints both ports. For tests that measure a process."""
    with both(Kept()) as ports:
        print(*ports, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
