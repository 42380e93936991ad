"""The world outside, as a collector may touch it: one GET, with every limit there is.

Built on `http.client` because it does nothing by itself: no redirects, no cookies, no proxies from
the environment, no pool. What it lacks is a deadline over the whole exchange; a socket that asks
for the time left before each read gives that, against a server that sends one byte a second too.
"""

import http.client
import io
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from service.access import Access, Redirects
from service.timed_sockets import Deadline, TimedTls, connected, resolved
from vocabulary.contracts import Page
from vocabulary.errors import (
    SourceDown,
    SourceError,
    SourceHung,
    SourceOversized,
    SourceRedirected,
    SourceTls,
    SourceUnauthorised,
    SourceUnreadable,
    SourceUnsupported,
)
from vocabulary.pods import OfferedDevice, Pod

_CHUNK = 64 * 1024
_LARGE = 1024 * 1024
"""Beyond it a page waits for its turn, so that ten large ones at once are one in memory. vLLM's
page with 16 ranks is as long; our judgement."""
_REDIRECTS = 3
"""How often one page may send us on. LiteLLM does it once; our judgement."""


@dataclass(frozen=True, slots=True)
class HttpReach:
    """Fetches pages and finds the local driver.

    A target's headers (its bearer token) go to the scheme, host and port of its own URL and nowhere
    else, because nothing here ever connects to another one.
    """

    max_bytes: int = 16 * 1024 * 1024
    """Largest page, before and after inflation. The default of VictoriaMetrics' agent."""
    access: Access = field(default_factory=Access)
    """How to enter a target that has no entry of its own."""
    accesses: Mapping[str, Access] = field(default_factory=dict)
    """How to enter targets that do, by scheme, host and port (see `origin`)."""
    listed: Callable[[], Sequence[Pod]] = tuple
    """Pods of this node, as whoever follows the Kubernetes API knows them now."""
    find_device: Callable[[str, str, str], OfferedDevice | None] = lambda *_: None
    """A device offered to claims, by driver, pool and name."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds on the wall's clock: sockets wait in real time, whatever time is simulated."""
    large_pages: threading.Lock = field(default_factory=threading.Lock)
    """Whose turn it is among pages of more than 1 MiB."""

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        """Fetch *url* within *timeout_seconds* and `max_bytes`, redirects and all.

        Raises:
            SourceError: The named state the target is in.
        """
        parts = _checked(url)
        access = self.access_of(url)
        began = self.monotonic()
        deadline = Deadline(began + timeout_seconds, self.monotonic)
        ours = {"Accept-Encoding": _encoding(parts.hostname or ""), "User-Agent": "tidegauge"}
        sent = {**ours, **access.headers(), **headers, "Connection": "close"}
        for _ in range(_REDIRECTS + 1):
            try:
                answer = self._exchange(parts, sent, access, deadline)
            except SourceError:
                raise
            except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
                raise _named(error, parts, timeout_seconds, deadline) from error
            if isinstance(answer, tuple):
                return Page(*answer, 200, self.monotonic() - began)
            parts = _next(answer, parts, access.redirects)
        raise SourceRedirected(
            f"sends us on more than {_REDIRECTS} times, the last time to {parts.path[:200]!r}",
            limit="redirects",
        )

    def access_of(self, url: str) -> Access:
        """How *url* is entered."""
        return self.accesses.get(origin(url), self.access)

    @property
    def nvml(self) -> Any:
        """nvidia-ml-py; whether there is a driver shows when it is initialised.

        Raises:
            SourceUnsupported: The package is not installed.
        """
        try:
            import pynvml
        except ImportError as error:
            raise SourceUnsupported("reading GPUs needs the package nvidia-ml-py") from error
        return pynvml

    @property
    def pods(self) -> Sequence[Pod]:
        """Pods of this node; none where no Kubernetes tells."""
        return self.listed()

    def offered(self, driver: str, pool: str, device: str) -> OfferedDevice | None:
        """What a resource driver says of a device that a claim names; None where nobody tells."""
        return self.find_device(driver, pool, device)

    def _exchange(
        self, parts: SplitResult, headers: Mapping[str, str], access: Access, deadline: Deadline
    ) -> tuple[bytes, str] | str:
        """The page and its type, or where we are sent on to."""
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.sock = _socket(parts, access, deadline)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers=dict(headers))
            with connection.getresponse() as response:
                if 300 <= response.status < 400 and response.status != 304:
                    return response.headers.get("Location", "")
                _demand_success(response, parts)
                return self._body(response, deadline), response.headers.get("Content-Type", "")
        finally:
            connection.close()

    def _body(self, response: http.client.HTTPResponse, deadline: Deadline) -> bytes:
        """The page, inflated, refused as soon as it outgrows the limit on either side."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise SourceUnreadable(f"answered in an encoding that was not asked for: {encoding!r}")
        if (response.length or 0) > self.max_bytes:
            raise self._oversized()
        inflater = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        page, size, received, our_turn = io.BytesIO(), 0, 0, False
        try:
            while chunk := response.read1(_CHUNK):
                received += len(chunk)
                deadline.of_the_page(len(chunk))
                for piece in [chunk] if inflater is None else _inflated(inflater, chunk):
                    size += page.write(piece)
                    if max(size, received) > self.max_bytes:
                        raise self._oversized()
                if size > _LARGE and not our_turn:
                    our_turn = self.large_pages.acquire(timeout=deadline.left())
        finally:
            if our_turn:
                self.large_pages.release()
        if response.length:
            raise SourceUnreadable(f"the page is cut off: {response.length} bytes are missing")
        if inflater is not None and not inflater.eof:
            raise SourceUnreadable("the page is cut off: its gzip stream does not end")
        return page.getvalue()

    def _oversized(self) -> SourceOversized:
        return SourceOversized(f"the page has more than {self.max_bytes} bytes", limit="bytes")


def _inflated(inflater: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """*chunk* inflated, a little at a time: 64 KiB may become 64 MiB."""
    while chunk:
        yield inflater.decompress(chunk, _CHUNK)
        chunk = inflater.unconsumed_tail


def origin(url: str) -> str:
    """Scheme, host and port: whoever may have one page's token may have the other's."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{_port(parts)}"
    except ValueError:
        return ""


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _socket(parts: SplitResult, access: Access, deadline: Deadline) -> socket.socket:
    context = access.tls() if parts.scheme == "https" else None
    host = parts.hostname or ""
    plain = connected(resolved(host, _port(parts), deadline), deadline)
    deadline.connected = True
    if context is None:
        return plain
    name = access.server_name or host
    try:
        secured = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    assert isinstance(secured, TimedTls)
    secured.deadline = deadline
    secured.settimeout(deadline.left())
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def _next(location: str, parts: SplitResult, redirects: Redirects) -> SplitResult:
    """Where a redirect leads, when it may be followed."""
    here = parts.geturl()
    try:
        there = urljoin(here, location)
    except ValueError:
        there = location
    if redirects is Redirects.SAME_HOST and origin(there) == origin(here):
        return _checked(there)
    if origin(there) == origin(here):
        mend = "give that URL, or set redirects to same-host"
    else:
        mend = "another host is never followed, since it would be given our token: give that URL"
    raise SourceRedirected(f"the page is at {there[:200]!r}; {mend}")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port != 0
    except ValueError:
        raise SourceUnreadable("the target's URL cannot be read") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise SourceUnreadable(f"{url[:200]!r} is no http(s) URL")
    if parts.username is not None:
        raise SourceUnreadable("the target's URL holds a user or a password: use a token file")
    return parts


def _encoding(host: str) -> str:
    """What to ask for: on the same machine gzip costs more than it saves."""
    local = host == "localhost" or host.startswith("127.") or host == "::1"
    return "identity" if local else "gzip"


def _demand_success(response: http.client.HTTPResponse, parts: SplitResult) -> None:
    status = response.status
    if status == 200:
        return
    if status in {401, 403}:
        raise SourceUnauthorised(
            f"answered {status}: it wants a token that it knows (bearer_token_file)"
        )
    raise SourceUnreadable(f"answered {status} at {parts.path or '/'!r}, and no page")


def _named(  # noqa: PLR0911 - one for each way to fail
    error: Exception, parts: SplitResult, seconds: float, deadline: Deadline
) -> SourceError:
    """The state that an exception of the standard library means. No message repeats a header."""
    where = f"{parts.hostname}:{_port(parts)}"
    match error:
        case TimeoutError() if deadline.connected:
            return SourceHung(
                f"{where} accepted, and did not answer in full in {seconds:g} s", "time"
            )
        case TimeoutError():
            return SourceDown(f"{where} did not accept a connection in {seconds:g} s", "time")
        case ssl.SSLError():
            return _tls_state(error, where)
        case socket.gaierror():
            return SourceDown(f"{parts.hostname} is not known to the resolver")
        case ConnectionRefusedError():
            return SourceDown(f"{where} refuses connections")
        case OSError():  # RemoteDisconnected, which is both, among them
            return SourceDown(f"{where} broke the connection ({type(error).__name__})")
        case http.client.IncompleteRead():
            return SourceUnreadable("the page is cut off in the middle")
        case zlib.error():
            return SourceUnreadable("the page is no valid gzip stream")
        case http.client.HTTPException():
            return SourceUnreadable(f"{where} does not speak HTTP ({type(error).__name__})")
        case _:
            return SourceUnreadable("the URL or a header holds a character that HTTP forbids")


def _tls_state(error: ssl.SSLError, where: str) -> SourceError:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        mend = "give its authority as ca_file"
        if "expired" in why or "not yet valid" in why:
            mend = "renew it, or set this machine's clock"
        elif "match" in why:  # "Hostname mismatch, …" and "IP address mismatch, …"
            mend = "give the name it bears as server_name"
        return SourceTls(f"{where} shows a certificate we do not trust ({why}); {mend}")
    if "CERTIFICATE" in (error.reason or ""):
        return SourceTls(f"{where} wants a certificate of ours; give it as cert_file")
    if "UNKNOWN_CA" in (error.reason or ""):
        return SourceTls(f"{where} does not know who signed our certificate; check cert_file")
    if isinstance(error, ssl.SSLEOFError):  # TLS 1.3 refuses a client after the handshake is over
        return SourceDown(
            f"{where} broke the TLS connection; if it wants a certificate of ours, give it as "
            "cert_file"
        )
    return SourceTls(f"{where} does not speak TLS as we do ({error.reason}); is it http://?")
