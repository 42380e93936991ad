"""Hostile targets on loopback: whatever they do, the reach ends in time, in bounds, with a name."""

import gzip
import socket
import threading
import time
from collections.abc import Callable

import pytest
from loopback_target import PAGE, Target, answer

from service.access import Access, Redirects
from service.reach import HttpReach
from service.timed_sockets import Deadline, resolved
from vocabulary.errors import (
    SourceDown,
    SourceError,
    SourceHung,
    SourceOversized,
    SourceRedirected,
    SourceUnauthorised,
    SourceUnreadable,
    SourceUnsupported,
)


def get(url: str, seconds: float = 2.0, **settings: object) -> bytes:
    reach = HttpReach(**settings)  # type: ignore[arg-type]
    return reach.get(url, {"Authorization": "Bearer secret"}, seconds).body


def test_a_page_comes_back_with_its_type_and_how_long_it_took(serve: Callable[..., Target]) -> None:
    target = serve(answer(PAGE, "Content-Type: text/plain; version=0.0.4"))
    page = HttpReach().get(target.url, {"Authorization": "Bearer secret"}, 2.0)
    assert (page.body, page.content_type, page.status) == (
        PAGE, "text/plain; version=0.0.4", 200,
    )  # fmt: skip
    assert 0 < page.seconds < 2
    request = target.requests[0]
    assert b"Authorization: Bearer secret\r\n" in request
    assert request.startswith(b"GET /metrics HTTP/1.1\r\n")
    assert b"Cookie" not in request


def test_a_server_that_never_answers_is_hung_at_the_deadline(serve: Callable[..., Target]) -> None:
    target = serve(lambda _client, _: time.sleep(1.5))
    began = time.monotonic()
    with pytest.raises(SourceHung, match=f"127.0.0.1:{target.port}"):
        get(target.url, 0.3)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_slow_loris_cannot_stretch_the_deadline(
    serve: Callable[..., Target], head: bytes
) -> None:
    def drip(client: socket.socket, _: bytes) -> None:
        client.sendall(head)
        for _ in range(40):
            client.sendall(b"X")
            time.sleep(0.05)

    target = serve(drip)
    began = time.monotonic()
    with pytest.raises(SourceHung):
        get(target.url, 0.4)
    assert time.monotonic() - began < 1.0


def test_an_endless_body_is_refused_while_it_streams(serve: Callable[..., Target]) -> None:
    sent = 0

    def pour(client: socket.socket, _: bytes) -> None:
        nonlocal sent
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b"a 1\n" * 16384)
            sent += 65536

    target = serve(pour)
    with pytest.raises(SourceOversized, match="1000000 bytes"):
        get(target.url, 5.0, max_bytes=1_000_000)
    assert sent < 16_000_000


def test_a_gzip_bomb_stops_at_the_limit(serve: Callable[..., Target]) -> None:
    bomb = gzip.compress(b"# comment\n" * 5_000_000)
    assert len(bomb) < 200_000
    target = serve(answer(bomb, "Content-Encoding: gzip"))
    with pytest.raises(SourceOversized):
        get(target.url, 5.0, max_bytes=1_000_000)


def test_gzip_is_inflated_and_a_broken_stream_is_named(serve: Callable[..., Target]) -> None:
    packed = gzip.compress(PAGE)
    assert get(serve(answer(packed, "Content-Encoding: gzip")).url) == PAGE
    with pytest.raises(SourceUnreadable, match="does not end"):
        get(serve(answer(packed[:-9], "Content-Encoding: gzip")).url)
    with pytest.raises(SourceUnreadable, match="no valid gzip"):
        get(serve(answer(b"not gzip at all", "Content-Encoding: gzip")).url)


def test_an_encoding_nobody_asked_for_is_refused(serve: Callable[..., Target]) -> None:
    with pytest.raises(SourceUnreadable, match="'br'"):
        get(serve(answer(PAGE, "Content-Encoding: br")).url)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_named_and_the_token_stays_here(
    serve: Callable[..., Target], status: str
) -> None:
    thief = serve(answer(PAGE))
    target = serve(answer(b"", f"Location: {thief.url}", status=status))
    for redirects in Redirects:
        with pytest.raises(SourceRedirected, match=r"another host is never followed"):
            get(target.url, access=Access(redirects=redirects))
    assert thief.requests == []


def test_a_redirect_on_the_same_host_is_followed_only_when_told(
    serve: Callable[..., Target],
) -> None:
    def litellm(client: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET /metrics/ "):
            answer(PAGE)(client, request)
        else:
            answer(b"", "Location: /metrics/", status="307 Temporary")(client, request)

    target = serve(litellm)
    with pytest.raises(SourceRedirected, match=r"/metrics/.*same-host"):
        get(target.url)
    assert get(target.url, access=Access(redirects=Redirects.SAME_HOST)) == PAGE
    assert b"Authorization: Bearer secret" in target.requests[-1]


@pytest.mark.parametrize("there", ["/metrics", "", "?again", "//[", "ftp://127.0.0.1/"])
def test_a_redirect_that_leads_nowhere_ends(serve: Callable[..., Target], there: str) -> None:
    target = serve(answer(b"", f"Location: {there}", status="302 Found"))
    with pytest.raises(SourceError) as caught:
        get(target.url, access=Access(redirects=Redirects.SAME_HOST))
    assert caught.value.verdict in {"redirected", "unreadable"}
    assert len(target.requests) <= 4


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 9,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    ],
)
def test_an_answer_that_never_becomes_a_page_is_oversized(
    serve: Callable[..., Target], endless: bytes
) -> None:
    def pour(client: socket.socket, _: bytes) -> None:
        client.sendall(endless)
        again = endless if b"100" in endless else endless[-6:]
        while True:
            client.sendall(again * 4096)

    with pytest.raises(SourceOversized) as caught:
        get(serve(pour).url, 10.0, max_bytes=100_000)
    assert caught.value.limit == "bytes"


def test_a_page_that_says_it_is_too_long_is_refused_before_it_comes(
    serve: Callable[..., Target],
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000001\r\n\r\n"
    with pytest.raises(SourceOversized, match="more than 1000 bytes"):
        get(serve(lambda client, _: client.sendall(head)).url, 5.0, max_bytes=1000)


def test_large_pages_take_turns_and_all_arrive(serve: Callable[..., Target]) -> None:
    page = b"up 1\n" * 500_000
    reach, found = HttpReach(), []
    urls = [serve(answer(page)).url for _ in range(6)]
    threads = [
        threading.Thread(target=lambda u=url: found.append(reach.get(u, {}, 20.0).body == page))
        for url in urls
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6
    assert reach.large_pages.acquire(blocking=False), "every turn was given back"


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_missing_key_is_unauthorised_and_not_down(
    serve: Callable[..., Target], status: str
) -> None:
    with pytest.raises(SourceUnauthorised) as caught:
        get(serve(answer(b"", status=status)).url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "503 Loading", "204 Nothing"])
def test_an_answer_that_is_no_page_is_unreadable(serve: Callable[..., Target], status: str) -> None:
    with pytest.raises(SourceUnreadable, match=status[:3]):
        get(serve(answer(b"", status=status)).url)


def test_a_body_shorter_than_promised_is_cut_off(serve: Callable[..., Target]) -> None:
    def short(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + PAGE)

    def chunked(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nup 1\n")

    for behave in (short, chunked):
        with pytest.raises(SourceUnreadable, match="cut off"):
            get(serve(behave).url)


def test_a_chunked_page_is_put_together(serve: Callable[..., Target]) -> None:
    def chunked(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"3\r\nup \r\n2\r\n1\n\r\n0\r\n\r\n")

    assert get(serve(chunked).url) == b"up 1\n"


def test_a_reset_a_silent_close_and_a_closed_port_are_down(serve: Callable[..., Target]) -> None:
    def reset(client: socket.socket, _: bytes) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    for behave in (reset, lambda _client, _: None):
        with pytest.raises(SourceDown, match="broke the connection"):
            get(serve(behave).url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceDown, match="refuses"):
        get(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.parametrize(
    "noise",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_unreadable(serve: Callable[..., Target], noise: bytes) -> None:
    with pytest.raises(SourceUnreadable):
        get(serve(lambda client, _: client.sendall(noise)).url)


def test_proxies_of_the_environment_are_not_used(
    serve: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, target = serve(answer(b"")), serve(answer(PAGE))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert get(target.url) == PAGE
    assert proxy.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http:///metrics",
        "http://127.0.0.1:99999/",
        "http://me:password@127.0.0.1/metrics",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/metrics",
        "http://[::ffff:169.254.169.254]/metrics",
    ],
)
def test_urls_that_are_never_read(url: str) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        get(url, 0.5)
    assert "password@" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_refused_without_repeating_it(
    serve: Callable[..., Target],
) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        HttpReach().get(serve(answer(PAGE)).url, {"Authorization": "Bearer se\ncret"}, 1.0)
    assert "cret" not in str(caught.value)


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: let_go.wait(5) and [])
    began = time.monotonic()
    with pytest.raises(SourceDown):
        get("http://example.invalid/metrics", 0.2)
    assert time.monotonic() - began < 1.0
    let_go.set()


def test_a_name_the_resolver_does_not_know_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceDown, match="resolver"):
        get("http://vllm.example/metrics", 1.0)


def test_a_name_that_resolves_to_a_metadata_service_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(SourceUnreadable, match="link-local"):
        resolved("rebound.example", 80, Deadline(time.monotonic() + 1, time.monotonic))


def test_nvml_is_the_real_module_and_its_absence_is_a_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert HttpReach().nvml.__name__ == "pynvml"
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    with pytest.raises(SourceUnsupported, match="nvidia-ml-py"):
        _ = HttpReach().nvml
