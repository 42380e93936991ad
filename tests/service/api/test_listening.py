"""Clients that are slow on purpose: half-open connections do not stay, and do not starve others."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from otlp_bodies.recorded import Kept
from otlp_bodies.served import APP, over_http, wiring

from service.api import create_app
from service.otlp.limits import Limits

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    app = create_app(wiring(Kept(), otlp_limits=Limits(body_seconds=0.6)))
    with over_http(app, header_seconds=0.6, most_connections=60) as found:
        yield found


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.settimeout(5)
    return made


def closed_after(connection: socket.socket) -> float:
    """Seconds until the other end hangs up."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass
    return time.monotonic() - began


def answer(connection: socket.socket) -> bytes:
    """One answer of /healthz, which may come in pieces."""
    found = b""
    while not found.endswith(b"ok\n"):
        piece = connection.recv(4096)
        assert piece, found
        found += piece
    return found


def healthy(port: int) -> bool:
    answer = httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=5)
    return answer.status_code == 200


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    with connect(port) as silent:
        assert 0.3 < closed_after(silent) < 3


def test_headers_that_drip_do_not_buy_time(port: int) -> None:
    sent = 0
    with connect(port) as dripping, contextlib.suppress(OSError):
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200:
            dripping.sendall(bytes([byte]))
            sent += 1
            time.sleep(0.05)
    assert 0 < sent < 150, "hung up on in the middle of the headers"


def test_two_hundred_half_open_clients_are_gone_soon_and_others_are_served(port: int) -> None:
    held = []
    try:
        for number in range(200):
            one = connect(port)
            if number % 2:
                one.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: lo")
            held.append(one)
        deadline = time.monotonic() + 8
        for one in held:
            one.settimeout(max(0.1, deadline - time.monotonic()))
            closed_after(one)
        assert time.monotonic() < deadline, "every one of them was closed"
        assert healthy(port)
    finally:
        for one in held:
            one.close()


def test_a_body_that_drips_is_refused_in_time(port: int) -> None:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        b"Authorization: Bearer " + APP.encode() + b"\r\nContent-Length: 1000\r\n\r\n"
    )
    with connect(port) as slow:
        slow.sendall(head + b"\x0a")
        began = time.monotonic()
        answer = slow.recv(4096)
        assert b"408" in answer.split(b"\r\n", 1)[0]
        assert 0.3 < time.monotonic() - began < 5


def test_one_connection_too_many_is_closed_at_once() -> None:
    with over_http(create_app(wiring(Kept())), header_seconds=60, most_connections=5) as port:
        held = [connect(port) for _ in range(5)]
        with connect(port) as extra:
            assert closed_after(extra) < 5
        for one in held:
            one.close()


def test_a_client_in_good_standing_keeps_its_connection(port: int) -> None:
    with connect(port) as good:
        for _ in range(3):
            good.sendall(REQUEST)
            assert answer(good).startswith(b"HTTP/1.1 200")
            time.sleep(0.2)


def test_an_idle_connection_after_a_request_is_closed_by_the_same_deadline(port: int) -> None:
    with connect(port) as idle:
        idle.sendall(REQUEST)
        assert answer(idle).startswith(b"HTTP/1.1 200")
        idle.sendall(b"GET / HT")
        assert closed_after(idle) < 3


def test_headers_without_end_are_refused(port: int) -> None:
    with connect(port) as long:
        long.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000)
        assert b"400" in long.recv(4096).split(b"\r\n", 1)[0]


def test_grpc_says_when_its_port_is_taken(port: Any) -> None:
    from service.clock import ManualClock
    from service.doors import Doors
    from service.otlp.over_grpc import listen
    from vocabulary.errors import ConfigError

    receiver = Kept().receiver()
    with pytest.raises(ConfigError, match="--otlp-grpc-port"):
        listen(receiver, Doors(()), ManualClock(0.0), f"127.0.0.1:{port}")
