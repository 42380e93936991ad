"""A client of the API, for the command line: one request, plain errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from service.config import token_of
from service.settings import Settings
from vocabulary.errors import ConfigError, ConflictError, NotFound, RequestRefused, StoreUnreachable

TOKEN_FILE = "token"  # noqa: S105 - the name of a file, not a secret
"""Where `tidegauge up` leaves its token inside the data directory, readable by its owner alone."""
_EXAMPLE = "http://127.0.0.1:8780"


class ApiClient:
    """Talks to `tidegauge up` or `tidegauge serve`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at *path*."""
        return self._call("GET", path, {}, params={k: v for k, v in query.items() if v is not None})

    def text(self, path: str, **query: Any) -> str:
        """The document at *path*, as it is."""
        answer = self._send("GET", path, {}, params=query)
        if answer.status_code >= 400:
            answered(answer, f"{self.url}{path}")
        return answer.text

    def post(self, path: str, body: Mapping[str, Any], idempotency_key: str = "") -> Any:
        """Send *body*; the same key twice acts once."""
        return self._call("POST", path, {"Idempotency-Key": idempotency_key}, json=dict(body))

    def _call(self, method: str, path: str, headers: Mapping[str, str], **arguments: Any) -> Any:
        return answered(self._send(method, path, headers, **arguments), f"{self.url}{path}")

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], **arguments: Any
    ) -> httpx2.Response:
        known = {"Authorization": f"Bearer {self.token}" if self.token else "", **headers}
        try:
            return httpx2.request(
                method,
                self.url + path,
                headers={name: value for name, value in known.items() if value},
                timeout=15.0,
                trust_env=False,
                **arguments,
            )
        except httpx2.HTTPError as error:
            raise StoreUnreachable(
                f"no answer from {self.url} ({type(error).__name__}); is `tidegauge up` or "
                "`tidegauge serve` running there? Name another with --api-url"
            ) from error


def answered(answer: httpx2.Response, where: str) -> Any:
    """The JSON of an *answer* of the API.

    Raises:
        NotFound, ConflictError, RequestRefused: It says no, and why.
    """
    if answer.status_code < 400:
        return answer.json()
    try:
        reason = str(answer.json().get("detail", ""))
    except ValueError:
        reason = answer.text[:200]
    message = f"{where}: {reason or answer.reason_phrase}"
    if answer.status_code == 404:
        raise NotFound(message)
    if answer.status_code == 409:
        raise ConflictError(message)
    raise RequestRefused(str(answer.status_code), f"{message} (HTTP {answer.status_code})")


def client_for(settings: Settings) -> ApiClient:
    """A client for the configured API, with the configured token or the one `up` left behind."""
    url = settings.api_url or f"http://127.0.0.1:{settings.port}"
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is no address of an API; write for example {_EXAMPLE}")
    token = token_of(settings) or _left_behind(settings.data_dir / TOKEN_FILE)
    return ApiClient(url, token)


def _left_behind(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
