"""Who may come in: tokens, scopes, Host and Origin, size limits, and where we dare to listen.

One token is 256 random bits, so a plain SHA-256 of it is all that is kept; digests are compared in
constant time. Host is checked against DNS rebinding, Origin against other people's pages. Whoever
asks for /healthz or /readyz learns only that we are up.
"""

import hashlib
import hmac
import ipaddress
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vocabulary.errors import ConfigError, RequestRefused

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


class Right(StrEnum):
    """What a token allows."""

    READ = "read"
    ACT = "act"
    """Acknowledge, assign, silence, resolve, note, approve."""
    INGEST = "ingest"
    """Send telemetry and alerts; identity labels in it are claims and are not believed."""
    COLLECT = "collect"
    """Send telemetry as our own agent, and be believed about who things are."""


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Token:
    """A name and what it may do. The secret itself is not kept."""

    name: str
    """Who acts: the name in activity lines and the audit."""
    digest: str
    """SHA-256 of the secret, hexadecimal."""
    rights: frozenset[Right] = ALL_RIGHTS
    expires_at: float | None = None
    """Unix seconds; None for never."""
    person: bool = False
    """Whether one person alone holds it: only such a name may approve an action."""


def token_of(
    name: str, secret: str, rights: frozenset[Right] = ALL_RIGHTS, *, person: bool = False
) -> Token:
    """The token that *secret* opens with.

    Raises:
        ConfigError: The secret is too short to resist guessing.
    """
    if len(secret) < 16:
        raise ConfigError(f"the token of {name} has {len(secret)} characters; use at least 16")
    return Token(name, hashlib.sha256(secret.encode()).hexdigest(), rights, person=person)


def new_secret(entropy: Callable[[int], bytes]) -> str:
    """A secret to print once; *entropy* is `secrets.token_bytes` outside of tests."""
    return urlsafe_b64encode(entropy(32)).decode().rstrip("=")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_listen(host: str, token: bool, tls: bool, allow_insecure: bool = False) -> None:
    """Refuse to be reachable from elsewhere without a token and TLS.

    *allow_insecure* waives TLS, for a network that is trusted or an ingress that brings TLS; it
    never waives the token.

    Raises:
        ConfigError: With the mend.
    """
    if is_loopback(host):
        return
    if not token:
        raise ConfigError(
            f"refusing to listen on {host} without a token: anybody could silence an incident; "
            "set token_file, or listen on 127.0.0.1"
        )
    if not tls and not allow_insecure:
        raise ConfigError(
            f"refusing to listen on {host} without TLS: the token could be read on the way; "
            "set tls_cert and tls_key, or allow_insecure where the network is trusted"
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, once the door has let them in."""

    name: str
    rights: frozenset[Right]
    person: bool = False
    """Whether the name is one person's, by a token of their own."""

    @property
    def believed(self) -> bool:
        """Whether identity labels this caller sends are facts."""
        return Right.COLLECT in self.rights


@dataclass(frozen=True, slots=True)
class Doors:
    """The rules of entry for HTTP, gRPC and MCP alike."""

    tokens: tuple[Token, ...]
    hosts: frozenset[str] = frozenset()
    """Names the API may be reached under, beyond loopback."""
    origins: frozenset[str] = frozenset()
    """Browser origins allowed beyond our own, as `https://console.example.org`."""
    anonymous: bool = False
    """Everybody on this machine is `local` and may do all; for loopback alone."""
    max_body_bytes: int = 1 << 20
    """Largest request outside OTLP, which has its own limit. Our judgement: an Alertmanager
    webhook of 1,000 alerts is about 0.5 MiB."""

    def admit(self, authorization: str | None, now: float) -> Caller:
        """Who bears this Authorization header.

        Raises:
            RequestRefused: `unauthenticated`.
        """
        if authorization is None and self.anonymous:
            return Caller("local", ALL_RIGHTS)
        scheme, _, secret = (authorization or "").partition(" ")
        digest = hashlib.sha256(secret.strip().encode()).hexdigest()
        found: Token | None = None
        for token in self.tokens:  # all of them: the time taken tells nothing
            if hmac.compare_digest(token.digest, digest):
                found = token
        alive = found is not None and (found.expires_at is None or now < found.expires_at)
        if found is None or not alive or scheme.lower() != "bearer":
            raise RequestRefused(
                "unauthenticated",
                "this needs the header 'Authorization: Bearer TOKEN' with a token that is known "
                "here and has not expired; `tidegauge up` prints one when it starts",
            )
        return Caller(found.name, found.rights, found.person)

    def check_host(self, host: str | None, origin: str | None) -> None:
        """Refuse names that are not ours and pages that are not ours.

        Raises:
            RequestRefused: `host` or `origin`.
        """
        name = _hostname(host or "")
        if name not in LOCAL_NAMES and name not in self.hosts:
            raise RequestRefused(
                "host", f"not reachable under the name {name[:100]!r}; add it to allowed_hosts"
            )
        if origin is None or origin in self.origins:
            return
        if urlsplit(origin).netloc.lower() != (host or "").lower():
            raise RequestRefused("origin", f"pages of {origin[:100]!r} may not call this API")


def right_needed(method: str, path: str) -> Right:
    """What a request asks for: reading, acting, or bringing telemetry."""
    if path.startswith(("/v1/", "/hooks/")):
        return Right.INGEST
    if method in {"GET", "HEAD"} or path == "/mcp" or path.startswith("/mcp/"):
        return Right.READ
    return Right.ACT


def check_right(caller: Caller, needed: Right) -> None:
    """Refuse what the caller's token does not allow; who may collect may also ingest.

    Raises:
        RequestRefused: `forbidden`.
    """
    held = caller.rights | ({Right.INGEST} if caller.believed else frozenset())
    if needed not in held:
        raise RequestRefused(
            "forbidden",
            f"the token of {caller.name} has no right to {needed.value}; "
            "use another token, or widen this one",
        )


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


STATUS = {"unauthenticated": 401, "forbidden": 403, "host": 403, "origin": 403, "too_large": 413}
"""HTTP status of each refusal at the door."""
PROBLEM_TYPE = "application/problem+json"


def problem(status: int, reason: str, detail: str, **more: Any) -> bytes:
    """A problem document (RFC 9457): a short word for programs, a plain sentence for people."""
    known = {"type": f"urn:tidegauge:problem:{reason}", "title": reason.replace("_", " ")}
    return json.dumps({**known, "status": status, "detail": detail, **more}).encode()


class Doorkeeper:
    """ASGI middleware that asks Doors before anything else sees a request.

    The caller is left in `scope["state"]["caller"]`.
    """

    def __init__(self, app: ASGIApp, doors: Doors, now: Callable[[], float]) -> None:
        self._app = app
        self._doors = doors
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or answer with a problem document."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _hardened(send)
        try:
            if scope["path"] not in OPEN_PATHS:
                self._enter(scope)
            await self._app(scope, self._bounded(scope, receive), answer)
        except RequestRefused as refusal:
            await _refuse(answer, refusal)
        except HTTPException as oversized:  # of an application that does not answer it itself
            await _refuse(answer, RequestRefused("too_large", oversized.detail))

    def _enter(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._doors.check_host(headers.get("host"), headers.get("origin"))
        caller = self._doors.admit(headers.get("authorization"), self._now())
        check_right(caller, right_needed(scope["method"], scope["path"]))
        scope.setdefault("state", {})["caller"] = caller

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Count the body as it comes; OTLP counts its own, before and after inflation."""
        if scope["path"].startswith("/v1/"):
            return receive
        limit = self._doors.max_body_bytes
        sentence = f"the body is larger than {limit} bytes"
        if _declared_length(Headers(scope=scope)) > limit:
            raise RequestRefused("too_large", sentence)
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, sentence)  # frameworks let this one through
            return message

        return counted


def _declared_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _hardened(send: Send) -> Send:
    """Answers are not to be cached, sniffed or framed."""
    extra: Iterable[tuple[bytes, bytes]] = (
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return hardened


async def _refuse(send: Send, refusal: RequestRefused) -> None:
    status = STATUS[refusal.reason]
    body = problem(status, refusal.reason, str(refusal))
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tidegauge"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
