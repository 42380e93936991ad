"""Everything that can go wrong on purpose.

    TidegaugeError
    ├── ConfigError              a file, variable or flag says something we cannot do
    ├── PluginError              a plugin's file does not hold what its folder promises
    ├── SourceError              a target could not be read; `verdict` is its named state
    │   ├── SourceDown           refused, reset or not resolvable
    │   ├── SourceHung           connected, and did not answer in time
    │   ├── SourceUnauthorised   401 or 403
    │   ├── SourceTls            a certificate, theirs or ours, is not accepted
    │   ├── SourceRedirected     says that its page is elsewhere
    │   ├── SourceUnreadable     answered, and it is no page we can read
    │   ├── SourceOversized      answered more than the limit allows
    │   ├── SourceUnfamiliar     answered a good page on which we know no name
    │   ├── SourceLost           a device that was there has gone
    │   └── SourceUnsupported    a device or driver does not offer this
    ├── StoreError               the store or the backend behind it
    │   └── StoreUnreachable
    ├── RequestRefused           a request from outside breaks a rule; `reason` is a short word
    ├── NotFound                 the thing named does not exist
    └── ConflictError            the thing exists, and is in another state than the request assumes

"No data" is a value, never one of these.
"""

from typing import ClassVar


class TidegaugeError(Exception):
    """The root: one clear sentence that names the thing and the mend."""


class ConfigError(TidegaugeError):
    """A file, variable or flag says something we cannot do."""


class PluginError(TidegaugeError):
    """A plugin's file does not hold what its folder promises."""


class SourceError(TidegaugeError):
    """A target could not be read."""

    verdict: ClassVar[str] = "unreadable"

    def __init__(self, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit
        """Which of our limits refused it (`bytes`, `samples`, …); empty when none did."""


class SourceDown(SourceError):
    """Refused, reset or not resolvable."""

    verdict = "down"


class SourceHung(SourceError):
    """Connected, and did not answer in time."""

    verdict = "hung"


class SourceUnauthorised(SourceError):
    """Answered 401 or 403."""

    verdict = "unauthorised"


class SourceTls(SourceError):
    """A certificate, theirs or ours, is not accepted, or no TLS is spoken."""

    verdict = "tls"


class SourceRedirected(SourceError):
    """Answered that the page is elsewhere, where we do not follow."""

    verdict = "redirected"


class SourceUnreadable(SourceError):
    """Answered, and it is no page we can read."""

    verdict = "unreadable"


class SourceOversized(SourceError):
    """Answered more than the limit allows."""

    verdict = "oversized"


class SourceUnfamiliar(SourceError):
    """Answered a good page on which we know no name; the message lists what it holds."""

    verdict = "unknown names"


class SourceLost(SourceError):
    """A device that was there has gone: a GPU has fallen off its bus."""

    verdict = "lost"


class SourceUnsupported(SourceError):
    """A device or driver does not offer this."""

    verdict = "unsupported"


class StoreError(TidegaugeError):
    """The store, or the backend behind it, could not do what was asked."""


class StoreUnreachable(StoreError):
    """The backend does not answer."""


class RequestRefused(TidegaugeError):
    """A request from outside breaks a rule."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotFound(TidegaugeError):
    """The thing named does not exist."""


class ConflictError(TidegaugeError):
    """The thing exists, and is in another state than the request assumes."""
