"""Receivers that are spoken to by one POST: what became of it, and when to come again."""

import math
import ssl
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from incidents.peer import Outcome
from incidents.receivers._message import Message
from incidents.receivers._receiver import Answer, Receiver, connected
from vocabulary.errors import ConfigError

SAID = 200
"""Characters of a refusal that are kept."""
LONGEST_WAIT = 3600.0
"""Seconds that a receiver may ask us to wait; after that it is asked again whatever it said."""
_REFUSALS = frozenset({400, 413, 422})
"""The message is at fault. 401, 403, 404, 410 and 429 are about us or about now: tried again."""


@dataclass(frozen=True, slots=True)
class Post:
    """One request. Its URL may be a secret, and is not shown."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReceiver(Receiver):
    """A receiver at a URL. Redirects are not followed, and no proxy is taken from elsewhere."""

    proxy: str = ""
    """Address of an HTTP proxy to go through, as http://proxy.example:3128; none when empty."""
    ca_file: str = ""
    """Certificates (PEM) to trust instead of the system's."""

    @abstractmethod
    def request(self, message: Message) -> Post:
        """*message* as this receiver wants it."""

    @abstractmethod
    def address(self) -> str:
        """The URL, for `probe`."""

    def send(self, message: Message) -> Answer:
        """POST it; the status decides, and of the answer no more than a line is read."""
        post = self.request(message)
        try:
            with (
                self._client() as client,
                client.stream(
                    "POST",
                    post.url,
                    content=post.body,
                    headers={"content-type": "application/json", **post.headers},
                    follow_redirects=False,
                ) as answer,
            ):
                return _judged(answer, message.at)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Answer(Outcome.UNREACHABLE, type(error).__name__)  # its text may hold the URL

    def probe(self) -> str:
        """Connect, and over https let it show its certificate."""
        parts = urlsplit(self.proxy or checked_url("url", self.address()))
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        with connected(host, port, self.timeout_seconds) as plain:
            if secure:
                try:
                    self._tls().wrap_socket(plain, server_hostname=host).close()
                except OSError as error:
                    raise ConfigError(
                        f"{host}:{port}: no TLS with it: {getattr(error, 'reason', error)}"
                    ) from error
        return f"{'the proxy ' if self.proxy else ''}{host}:{port} answers; nothing was sent"

    def _client(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=self.timeout_seconds,
            trust_env=False,
            proxy=self.proxy or None,
            verify=self._tls(),
        )

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot read ca_file {self.ca_file}: {error}") from error


def checked_url(setting: str, url: str) -> str:
    """*url*, if it is one.

    Raises:
        ConfigError: It is none; a secret URL is not repeated.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isprintable():
        raise ConfigError(f"{setting} holds no URL; it should begin with https://")
    return url


def plain_links(message: Message) -> list[dict[str, Any]]:
    """The links of *message* as title and URL."""
    return [{"title": title, "url": url} for title, url in message.links]


def _judged(answer: httpx2.Response, now: float) -> Answer:
    if 200 <= answer.status_code < 300:
        return Answer(Outcome.ACCEPTED)
    first = next(answer.iter_bytes(SAID), b"")
    words = "".join(c if c.isprintable() else " " for c in first.decode("utf-8", "replace"))
    said = f"HTTP {answer.status_code}: {words[:SAID]}"
    if answer.status_code in _REFUSALS:
        return Answer(Outcome.REFUSED, said)
    return Answer(Outcome.UNREACHABLE, said, _wait(answer.headers.get("retry-after"), now))


def _wait(header: str | None, now: float) -> float | None:
    """Seconds that `Retry-After` asks for, which may be a number or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None
