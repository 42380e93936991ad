"""How a target is entered: what we show it, whom we trust, and whether a redirect is followed.

Secrets stay in files, because files are renewed while we run, and a value in a configuration ends
up in a log or a process list. They are read again for each page.
"""

import base64
import functools
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from service.timed_sockets import TimedTls
from vocabulary.errors import SourceTls, SourceUnauthorised

log = structlog.get_logger(__name__)


class Redirects(StrEnum):
    """What is done when a target answers that its page is elsewhere."""

    NEVER = "never"
    """It is the named state `redirected`, with the address."""
    SAME_HOST = "same-host"
    """Followed on the same scheme, host and port; anywhere else our token would be given away."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one target needs to be read."""

    bearer_token_file: Path | None = None
    """File with the bearer token to send."""
    user: str = ""
    """User of HTTP basic authentication; only together with a password file."""
    password_file: Path | None = None
    """File with that user's password."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    cert_file: Path | None = None
    """Our own certificate chain (PEM), for targets that ask for one."""
    key_file: Path | None = None
    """Private key (PEM) of that certificate; in the same file when None."""
    server_name: str = ""
    """Name that the target's certificate bears, where it is not the URL's host."""
    insecure: bool = False
    """Read a target whose certificate nobody vouches for. Anybody on the way can then read the
    token and invent the page, so it is logged and `doctor` says it."""
    redirects: Redirects = Redirects.NEVER

    def headers(self) -> dict[str, str]:
        """The header that lets us in, freshly read; none where nothing is configured.

        Raises:
            SourceUnauthorised: The secret's file cannot be read.
        """
        if self.bearer_token_file is not None:
            return {"Authorization": f"Bearer {_secret(self.bearer_token_file)}"}
        if self.password_file is not None:
            pair = f"{self.user}:{_secret(self.password_file)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    def tls(self) -> ssl.SSLContext:
        """What we trust and show; renewed files are read again.

        Raises:
            SourceTls: A file cannot be read.
        """
        files = (self.ca_file, self.cert_file, self.key_file)
        try:
            stamps = tuple(file.stat().st_mtime_ns if file else 0 for file in files)
            return _context(*files, self.insecure, stamps)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(file) for file in files if file)
            raise SourceTls(f"our TLS files ({names}) cannot be read: {error}") from error


@functools.lru_cache(maxsize=32)
def _context(
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    insecure: bool,
    stamps: tuple[int, ...],  # noqa: ARG001 - renewed files are another key
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.sslsocket_class = TimedTls
    if cert is not None:
        context.load_cert_chain(cert, key)
    if insecure:
        log.warning("targets are read WITHOUT checking their certificates (insecure)")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnauthorised(
            f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is no text'}"
        ) from error
