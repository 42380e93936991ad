"""Tokens, certificates and authorities against real TLS sockets: each failure has its own name."""

import base64
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import authority, serving, signed
from loopback_target import PAGE, Target, answer
from structlog.testing import capture_logs

from service.access import Access
from service.reach import HttpReach, origin
from vocabulary.errors import (
    SourceDown,
    SourceError,
    SourceHung,
    SourceTls,
    SourceUnauthorised,
)


def get(url: str, seconds: float = 3.0, **access: object) -> bytes:
    return HttpReach(access=Access(**access)).get(url, {}, seconds).body  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority(folder)
    authority(folder, "stranger")
    for name in ("server", "client", "expired"):
        signed(folder, name)
    signed(folder, "named", "DNS:vllm.example")
    return folder


# -- secrets --------------------------------------------------------------------------------------


def demanding(secret: bytes) -> Callable[[socket.socket, bytes], None]:
    def behave(client: socket.socket, request: bytes) -> None:
        if b"Authorization: " + secret + b"\r\n" in request:
            answer(PAGE)(client, request)
        else:
            answer(b"", status="401 Unauthorized")(client, request)

    return behave


def test_a_token_is_read_again_for_each_page(serve: Callable[..., Target], tmp_path: Path) -> None:
    target, token = serve(demanding(b"Bearer second")), tmp_path / "token"
    token.write_text("first\n")
    with pytest.raises(SourceUnauthorised, match="bearer_token_file") as caught:
        get(target.url, bearer_token_file=token)
    assert "first" not in str(caught.value)
    token.write_text("second\n")
    assert get(target.url, bearer_token_file=token) == PAGE


def test_basic_authentication_takes_its_password_from_a_file(
    serve: Callable[..., Target], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("öpen\n")
    expected = b"Basic " + base64.b64encode("reader:öpen".encode())
    target = serve(demanding(expected))
    assert get(target.url, user="reader", password_file=tmp_path / "password") == PAGE


def test_a_secret_that_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(SourceUnauthorised, match="missing"):
        get("http://127.0.0.1:1/metrics", bearer_token_file=tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceUnauthorised, match="no text"):
        get("http://127.0.0.1:1/metrics", bearer_token_file=tmp_path / "binary")


def test_a_target_with_an_entry_of_its_own_is_given_no_other_secret(
    serve: Callable[..., Target], tmp_path: Path
) -> None:
    (tmp_path / "ours").write_text("ours")
    (tmp_path / "theirs").write_text("theirs")
    mine, other = serve(demanding(b"Bearer ours")), serve(answer(PAGE))
    reach = HttpReach(accesses={origin(mine.url): Access(bearer_token_file=tmp_path / "ours")})
    assert reach.get(mine.url, {}, 2.0).body == PAGE
    reach.get(other.url, {}, 2.0)
    assert b"Authorization" not in other.requests[0]


# -- TLS ------------------------------------------------------------------------------------------


def test_a_certificate_is_checked_against_the_given_authority(
    serve: Callable[..., Target], certificates: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "server"))
    assert get(target.url, ca_file=certificates / "ca.pem") == PAGE
    for wrong in ({}, {"ca_file": certificates / "stranger.pem"}):
        with pytest.raises(SourceTls, match="ca_file"):
            get(target.url, **wrong)


def test_an_expired_certificate_says_so(serve: Callable[..., Target], certificates: Path) -> None:
    target = serve(answer(PAGE), serving(certificates, "expired"))
    with pytest.raises(SourceTls, match=r"expired.*renew"):
        get(target.url, ca_file=certificates / "ca.pem")


def test_a_certificate_of_another_name_needs_that_name(
    serve: Callable[..., Target], certificates: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "named"))
    trust = {"ca_file": certificates / "ca.pem"}
    with pytest.raises(SourceTls, match="server_name"):
        get(target.url, **trust)
    assert get(target.url, **trust, server_name="vllm.example") == PAGE


def test_a_client_certificate_is_shown_where_one_is_wanted(
    serve: Callable[..., Target], certificates: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "server", certificates / "ca.pem"))
    trust = {"ca_file": certificates / "ca.pem"}
    # refused by an alert or by a closed connection, whichever arrives first
    with pytest.raises((SourceTls, SourceDown), match=r"cert_file|broke the connection"):
        get(target.url, **trust)
    ours = {"cert_file": certificates / "client.pem", "key_file": certificates / "client.key"}
    assert get(target.url, **trust, **ours) == PAGE


def test_a_client_certificate_of_a_stranger_is_refused(
    serve: Callable[..., Target], certificates: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "server", certificates / "ca.pem"))
    files = {"cert_file": certificates / "stranger.pem", "key_file": certificates / "stranger.key"}
    with pytest.raises((SourceTls, SourceDown)):
        get(target.url, ca_file=certificates / "ca.pem", **files)


def test_an_unchecked_certificate_is_read_and_loudly_so(
    serve: Callable[..., Target], certificates: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "expired"))
    with capture_logs() as logs:
        assert get(target.url, insecure=True) == PAGE
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_renewed_files_are_read_again(
    serve: Callable[..., Target], certificates: Path, tmp_path: Path
) -> None:
    target = serve(answer(PAGE), serving(certificates, "server"))
    trust = tmp_path / "ca.pem"
    trust.write_bytes((certificates / "stranger.pem").read_bytes())
    with pytest.raises(SourceTls):
        get(target.url, ca_file=trust)
    trust.write_bytes((certificates / "ca.pem").read_bytes())
    os.utime(trust, (2e9, 2e9))
    assert get(target.url, ca_file=trust) == PAGE


def test_a_slow_loris_behind_tls_cannot_stretch_the_deadline(
    serve: Callable[..., Target], certificates: Path
) -> None:
    def drip(client: socket.socket, _: bytes) -> None:
        for _ in range(40):
            client.sendall(b"X")
            time.sleep(0.05)

    target = serve(drip, serving(certificates, "server"))
    began = time.monotonic()
    with pytest.raises(SourceHung):
        get(target.url, 0.4, ca_file=certificates / "ca.pem")
    assert time.monotonic() - began < 1.2


def test_a_handshake_that_never_ends_is_hung_and_plain_http_is_no_tls(
    serve: Callable[..., Target],
) -> None:
    plain = serve(lambda client, _: client.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))
    with pytest.raises(SourceError) as caught:
        get(plain.url.replace("http:", "https:"), 0.4)
    assert caught.value.verdict in {"hung", "tls"}


def test_a_server_that_answers_plain_text_to_a_handshake_speaks_no_tls(
    serve: Callable[..., Target],
) -> None:
    def greet(client: socket.socket) -> None:
        client.sendall(b"220 mail.example ESMTP\r\n")

    with pytest.raises(SourceTls, match="http://"):
        get(serve(greet_first=greet).url.replace("http:", "https:"), 2.0)


def test_tls_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceTls, match=r"missing\.pem"):
        get("https://127.0.0.1:1/metrics", 1.0, ca_file=tmp_path / "missing.pem")
