"""The seam to the Kubernetes API for writes: one request, one account, and what became of it.

Reading for incidents goes another way (service/kubernetes), which cannot write at all.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

from service.kubernetes.api_server import ACCOUNT
from vocabulary.actions import ActionClass
from vocabulary.errors import ConfigError, SourceDown, SourceError, SourceUnreadable

MAX_BYTES = 4 * 1024 * 1024
"""Largest answer: an object has at most 1.5 MB (etcd's limit); a list of a pool's revisions has
few."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent; its text is what people approve and what the log keeps."""

    method: str
    path: str
    body: str = ""
    content_type: str = "application/json"

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.method} {self.path} {self.body}".rstrip()


@dataclass(frozen=True, slots=True)
class Response:
    """What the API said."""

    status: int
    body: Mapping[str, Any]

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def unsure(self) -> bool:
        """Whether it may have been done although it was not said so: the API itself failed."""
        return self.status >= 500

    @property
    def said(self) -> str:
        """Its own words, bounded."""
        return str(self.body.get("message", ""))[:500]


class NoAnswer(SourceError):
    """The request left, and nothing came back: whether it was done is not known."""


class Cluster(Protocol):
    """Where executors read and write."""

    def ask(self, group: ActionClass, request: Request, *, dry: bool = False) -> Response:
        """Send *request* with the credential of *group*; *dry* asks the server to keep nothing.

        Raises:
            ConfigError: The class has no credential, or its file cannot be read.
            SourceDown: The request never left.
            NoAnswer: It left, and nothing came back.
            SourceUnreadable: Something else than the API answered.
        """
        ...


@dataclass(frozen=True, slots=True)
class KubernetesApi:
    """The real one, over HTTP."""

    url: str
    ca_file: Path | None
    accounts: Mapping[str, str]
    """Class → file of its token, read before every request: Kubernetes renews it."""
    timeout_seconds: float = 10.0
    _client: list[httpx2.Client] = field(default_factory=list, init=False, repr=False)

    def ask(self, group: ActionClass, request: Request, *, dry: bool = False) -> Response:
        """See Cluster."""
        headers = {"Accept": "application/json", "Content-Type": request.content_type,
                   "User-Agent": f"tidegauge-execution-{group.value}",
                   "Authorization": f"Bearer {self._token(group)}"}  # fmt: skip
        query = {"fieldManager": "tidegauge"} if request.method == "PATCH" else {}
        query |= {"dryRun": "All"} if dry else {}
        try:
            with self._http().stream(
                request.method,
                request.path,
                params=query,
                headers=headers,
                content=request.body.encode() or None,
            ) as answer:
                return Response(answer.status_code, _object(_bounded(answer)))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise SourceDown(f"{self.url} accepts no connection; nothing was sent") from error
        except httpx2.HTTPError as error:
            raise NoAnswer(
                f"{self.url} took the request and did not answer ({type(error).__name__})"
            ) from error

    def close(self) -> None:
        """End its connections."""
        while self._client:
            self._client.pop().close()

    def _token(self, group: ActionClass) -> str:
        file = self.accounts.get(group.value, "")
        if not file:
            raise ConfigError(no_account(group))
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"execution.accounts.{group.value}: cannot read {file}") from error
        if not token:
            raise ConfigError(f"execution.accounts.{group.value}: {file} is empty")
        return token

    def _http(self) -> httpx2.Client:
        if not self._client:
            context = ssl.create_default_context(cafile=self.ca_file)
            client = httpx2.Client(
                base_url=self.url,
                verify=context,
                timeout=self.timeout_seconds,
                trust_env=False,
                follow_redirects=False,
                # an idle connection that the other side has closed would look like no answer
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
            self._client.append(client)
        return self._client[0]


def no_account(group: ActionClass) -> str:
    """Why a class cannot execute."""
    return (
        f"the class {group.value} has no credential here: set execution.accounts.{group.value} "
        f"(the chart does with execution.classes.{group.value}), or run the command yourself"
    )


def kubernetes_api(
    accounts: Mapping[str, str],
    url: str,
    ca_file: str,
    timeout_seconds: float,
    environ: Mapping[str, str],
) -> KubernetesApi:
    """The API at *url*, or of the cluster we run in.

    Raises:
        ConfigError: Neither is known.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    if not url and not host:
        raise ConfigError(
            "execution is enabled, and this is no pod of a cluster: set execution.api_url to the "
            "Kubernetes API and execution.ca_file to its certificates"
        )
    shown = f"[{host}]" if ":" in host else host
    found = url or f"https://{shown}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}"
    if not found.startswith("https://"):
        raise ConfigError(f"execution.api_url must be https, and is {found!r}")
    own = ACCOUNT / "ca.crt"
    trusted = Path(ca_file) if ca_file else own if own.exists() else None
    if trusted is not None and not trusted.is_file():
        raise ConfigError(f"execution.ca_file: there is no file {trusted}")
    return KubernetesApi(found.rstrip("/"), trusted, accounts, timeout_seconds)


def _bounded(answer: httpx2.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise SourceUnreadable(f"the Kubernetes API answers more than {MAX_BYTES} bytes")
    return bytes(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        return {"message": content[:500].decode("utf-8", "replace")}
    return body if isinstance(body, dict) else {}
