"""The world outside, as a collector may touch it: one GET, with every limit there is.

Built on `http.client` because it does nothing by itself: no redirects, no cookies, no proxies from
the environment, no pool. What it lacks is a deadline over the whole exchange; a socket that asks
for the time left before each read gives that, against a server that sends one byte a second too.
"""

import functools
import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from service.timed_sockets import Deadline, TimedTls, connected, resolved
from vocabulary.contracts import Page
from vocabulary.errors import (
    SourceDown,
    SourceError,
    SourceHung,
    SourceOversized,
    SourceUnauthorised,
    SourceUnreadable,
    SourceUnsupported,
)
from vocabulary.pods import Pod

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpReach:
    """Fetches pages and finds the local driver.

    A target's headers (its bearer token) go to the host of its own URL and nowhere else, because
    nothing here ever connects to another one.
    """

    max_bytes: int = 16 * 1024 * 1024
    """Largest page, before and after inflation. The default of VictoriaMetrics' agent."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    cert_file: Path | None = None
    """Our own certificate chain (PEM), for targets that ask for one."""
    key_file: Path | None = None
    """Private key (PEM) of that certificate; in the same file when None."""
    listed: Callable[[], Sequence[Pod]] = tuple
    """Pods of this node, as whoever follows the Kubernetes API knows them now."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds on the wall's clock: sockets wait in real time, whatever time is simulated."""

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        """Fetch *url* within *timeout_seconds* and `max_bytes`, never following a redirect.

        Raises:
            SourceError: The named state the target is in.
        """
        parts = _checked(url)
        began = self.monotonic()
        deadline = Deadline(began + timeout_seconds, self.monotonic)
        try:
            body, kind = self._exchange(parts, headers, deadline)
        except SourceError:
            raise
        except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
            raise _named(error, parts, timeout_seconds, deadline) from error
        return Page(body, kind, 200, self.monotonic() - began)

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

    def _exchange(
        self, parts: SplitResult, headers: Mapping[str, str], deadline: Deadline
    ) -> tuple[bytes, str]:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.sock = self._socket(parts, deadline)
        try:
            ours = {"Accept-Encoding": _encoding(parts.hostname or ""), "User-Agent": "tidegauge"}
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={**ours, **headers, "Connection": "close"})
            with connection.getresponse() as response:
                _demand_success(response, parts)
                return self._body(response), response.headers.get("Content-Type", "")
        finally:
            connection.close()

    def _socket(self, parts: SplitResult, deadline: Deadline) -> socket.socket:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        plain = connected(resolved(host, port, deadline), deadline)
        if parts.scheme != "https":
            deadline.connected = True
            return plain
        try:
            secured = self._tls().wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
        except BaseException:
            plain.close()
            raise
        assert isinstance(secured, TimedTls)
        secured.deadline = deadline
        deadline.connected = True
        secured.settimeout(deadline.left())
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _tls(self) -> ssl.SSLContext:
        files = (self.ca_file, self.cert_file, self.key_file)
        try:
            stamps = tuple(file.stat().st_mtime_ns if file else 0 for file in files)
            return _context(*files, stamps)
        except (OSError, ssl.SSLError) as error:
            raise SourceUnauthorised(f"our TLS files cannot be read: {error}") from error

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        """The page, inflated, refused as soon as it outgrows the limit on either side."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise SourceUnreadable(f"answered in an encoding that was not asked for: {encoding!r}")
        inflater = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        received, size, parts = 0, 0, []
        while chunk := response.read1(_CHUNK):
            received += len(chunk)
            if inflater is not None:
                chunk = inflater.decompress(chunk, self.max_bytes - size + 1)
            size += len(chunk)
            if max(size, received) > self.max_bytes:
                raise SourceOversized(f"the page has more than {self.max_bytes} bytes")
            parts.append(chunk)
        if response.length:
            raise SourceUnreadable(f"the page is cut off: {response.length} bytes are missing")
        if inflater is not None and not inflater.eof:
            raise SourceUnreadable("the page is cut off: its gzip stream does not end")
        return b"".join(parts)


@functools.lru_cache(maxsize=8)
def _context(
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    stamps: tuple[int, ...],  # noqa: ARG001 - renewed files are read again
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.sslsocket_class = TimedTls
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


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
        raise SourceUnauthorised(f"answered {status}: it wants a bearer token that it knows")
    if 300 <= status < 400:
        there = response.headers.get("Location", "")[:200]
        raise SourceUnreadable(
            f"answered {status}, a redirect to {there!r}; redirects are never followed, "
            "so give the URL that holds the page"
        )
    raise SourceUnreadable(f"answered {status} at {parts.path or '/'!r}, and no page")


def _named(  # noqa: PLR0911 - one for each way to fail
    error: Exception, parts: SplitResult, seconds: float, deadline: Deadline
) -> SourceError:
    """The state that an exception of the standard library means. No message repeats a header."""
    where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    match error:
        case TimeoutError() if deadline.connected:
            return SourceHung(f"{where} accepted, and did not answer in full in {seconds:g} s")
        case TimeoutError():
            return SourceDown(f"{where} did not accept a connection in {seconds:g} s")
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
        return SourceUnauthorised(
            f"{where} shows a certificate we do not trust ({error.verify_message}); "
            "give its authority as ca_file"
        )
    if "CERTIFICATE" in (error.reason or ""):
        return SourceUnauthorised(f"{where} wants a certificate of ours; give it as cert_file")
    if isinstance(error, ssl.SSLEOFError):  # TLS 1.3 refuses a client after the handshake is over
        return SourceDown(
            f"{where} broke the TLS connection; if it wants a certificate of ours, give it as "
            "cert_file"
        )
    return SourceUnreadable(f"{where} does not speak TLS as we do ({error.reason})")
