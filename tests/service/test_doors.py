"""Who may come in, under which name, and where we dare to listen."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.doors import (
    ALL_RIGHTS,
    Caller,
    Doorkeeper,
    Doors,
    Right,
    check_listen,
    check_right,
    is_loopback,
    new_secret,
    right_needed,
    token_of,
)
from vocabulary.errors import ConfigError, RequestRefused

SECRET = "a-secret-of-some-length"
DOORS = Doors((token_of("ada", SECRET),), hosts=frozenset({"tidegauge.example"}))


def reason(call: Any, *arguments: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        call(*arguments)
    return caught.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_needs_nothing(host: Any) -> None:
    check_listen(host, token=False, tls=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "node-1", ""])
def test_elsewhere_needs_a_token_and_tls(host: Any) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="token_file"):
        check_listen(host, token=False, tls=True)
    with pytest.raises(ConfigError, match="tls_cert"):
        check_listen(host, token=True, tls=False)
    check_listen(host, token=True, tls=True)


def test_the_explicit_flag_waives_tls_but_never_the_token() -> None:
    check_listen("0.0.0.0", token=True, tls=False, allow_insecure=True)
    with pytest.raises(ConfigError):
        check_listen("0.0.0.0", token=False, tls=False, allow_insecure=True)


def test_a_token_lets_in_under_its_name_and_its_secret_is_not_kept() -> None:
    assert DOORS.admit(f"Bearer {SECRET}", 0.0) == Caller("ada", ALL_RIGHTS)
    assert SECRET not in repr(DOORS)


@given(st.one_of(st.none(), st.text(max_size=60)))
def test_anything_else_stays_outside(header: Any) -> None:
    if header == f"Bearer {SECRET}":
        return
    assert reason(DOORS.admit, header, 0.0) == "unauthenticated"


@pytest.mark.parametrize("header", [f"Basic {SECRET}", SECRET, "Bearer", f"Bearer {SECRET}x"])
def test_near_misses_stay_outside(header: Any) -> None:
    assert reason(DOORS.admit, header, 0.0) == "unauthenticated"


def test_an_expired_token_is_no_token() -> None:
    from dataclasses import replace

    doors = Doors((replace(token_of("ada", SECRET), expires_at=100.0),))
    assert doors.admit(f"Bearer {SECRET}", 99.0).name == "ada"
    assert reason(doors.admit, f"Bearer {SECRET}", 100.0) == "unauthenticated"


def test_no_tokens_means_nobody_unless_said_otherwise() -> None:
    assert reason(Doors(()).admit, None, 0.0) == "unauthenticated"
    assert Doors((), anonymous=True).admit(None, 0.0).name == "local"
    assert reason(Doors((), anonymous=True).admit, "Bearer wrong", 0.0) == "unauthenticated"


def test_a_short_secret_is_refused_and_new_ones_are_long() -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        token_of("ada", "short")
    assert len(new_secret(lambda size: b"\x07" * size)) == 43


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/api/v1/incidents", Right.READ),
        ("POST", "/api/v1/incidents/x/ack", Right.ACT),
        ("DELETE", "/api/v1/anything", Right.ACT),
        ("POST", "/v1/traces", Right.INGEST),
        ("POST", "/hooks/alertmanager", Right.INGEST),
        ("POST", "/mcp", Right.READ),
        ("POST", "/mcpx", Right.ACT),
    ],
)
def test_each_request_needs_one_right(method: Any, path: Any, right: Any) -> None:
    assert right_needed(method, path) is right
    check_right(Caller("x", frozenset({right})), right)
    others = frozenset(Right) - {right, Right.COLLECT}
    assert reason(check_right, Caller("x", others), right) == "forbidden"


def test_an_agent_may_ingest_and_is_believed_and_may_do_nothing_else() -> None:
    agent = Caller("agent", frozenset({Right.COLLECT}))
    check_right(agent, Right.INGEST)
    assert agent.believed
    assert not Caller("app", frozenset({Right.INGEST})).believed
    assert reason(check_right, agent, Right.READ) == "forbidden"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8780", "localhost:8780", "[::1]:8780", "Tidegauge.Example", "localhost"]
)
def test_our_own_names_are_known(host: Any) -> None:
    DOORS.check_host(host, None)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", None, "[::2]:80"]
)
def test_a_rebound_name_is_refused(host: Any) -> None:
    assert reason(DOORS.check_host, host, None) == "host"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_other_peoples_pages_are_refused(origin: Any) -> None:
    assert reason(DOORS.check_host, "127.0.0.1:8780", origin) == "origin"


def test_our_own_pages_and_named_ones_are_not() -> None:
    DOORS.check_host("127.0.0.1:8780", "http://127.0.0.1:8780")
    named = Doors((), origins=frozenset({"https://console.example"}))
    named.check_host("127.0.0.1:8780", "https://console.example")


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    name = scope["state"]["caller"].name if "state" in scope else "nobody"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{name} {size}".encode()})


def ask(
    path: Any = "/api/v1/incidents",
    method: Any = "GET",
    body: Any = b"",
    kind: Any = "http",
    **headers: Any,
) -> tuple:
    sent = []
    given = {"host": "localhost", "authorization": f"Bearer {SECRET}", **headers}
    scope = {
        "type": kind,
        "path": path,
        "method": method,
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in given.items()
            if value is not None
        ],
    }
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]

    async def receive() -> dict:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    keeper = Doorkeeper(_echo, Doors((token_of("ada", SECRET),), max_body_bytes=5000), lambda: 0.0)
    asyncio.run(keeper(scope, receive, send))
    if kind != "http":
        return sent[0]["type"], None, {}
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], sent[1]["body"], found


def test_the_door_names_the_caller_and_hardens_the_answer() -> None:
    status, body, headers = ask()
    assert (status, body) == (200, b"ada 0")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"authorization": None}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
    ],
)
def test_refusals_are_problem_documents(change: Any, status: Any) -> None:
    found, body, headers = ask(**change)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in headers) == (status == 401)
    document = json.loads(body)
    assert document["status"] == status
    assert document["detail"].endswith(("starts", "allowed_hosts", "this API"))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_open_to_all(path: Any) -> None:
    assert ask(path, authorization=None, host="10.1.2.3")[:2] == (200, b"nobody 0")


@pytest.mark.parametrize("path", ["/healthz/x", "/metrics", "/openapi.json", "/", "/api"])
def test_nothing_else_is(path: Any) -> None:
    assert ask(path, authorization=None)[0] == 401


def test_a_body_that_says_it_is_large_is_refused_unread() -> None:
    assert ask(method="POST", content_length="5001")[0] == 413


def test_a_body_that_does_not_say_so_is_refused_when_it_is() -> None:
    assert ask(method="POST", body=b"x" * 5000)[:2] == (200, b"ada 5000")
    assert ask(method="POST", body=b"x" * 5001)[0] == 413


def test_websockets_are_not_let_in() -> None:
    assert ask(kind="websocket")[0] == "websocket.close"
