"""The Kubernetes API as a pod of the cluster reaches it: get, list and watch, and never write.

The official client weighs 75 MB on disk and 48 MB in memory, which is a third of what an agent may
use, to make the three requests below; docs/changes.md says what else speaks against it.
"""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from vocabulary.errors import (
    ConfigError,
    SourceDown,
    SourceError,
    SourceHung,
    SourceOversized,
    SourceUnauthorised,
    SourceUnreadable,
)

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a service account's token and the cluster's authority."""
_FORBIDDEN = (
    "the Kubernetes API answers {status} for {what}: give {whose} service account get, list and "
    "watch on {what} (the chart does with {setting})"
)
_PAGE = 500
"""Objects of one page of a list, as kubectl asks for them."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object to list and watch, and which of them."""

    paths: tuple[str, ...]
    """Where it is served, the newest version first: the first that is there is asked."""
    fields: str = ""
    """Field selector: `spec.nodeName=n1`."""
    whose: str = "the server's"
    setting: str = "server.readCluster"
    """Value of the chart that gives the right to read it."""

    @property
    def name(self) -> str:
        """In the plural, as RBAC calls it."""
        return self.paths[0].rsplit("/", 1)[-1]


def pods_of(node: str) -> Resource:
    """Pods of *node*."""
    fields = f"spec.nodeName={node}"
    return Resource(("/api/v1/pods",), fields, "the agent's", "agent.readPods")


class Expired(SourceError):
    """410: the resource version is too old, or unknown; list again."""


class NotServed(SourceError):
    """404: this cluster has no such kind of object, or no such object."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the API is, and how it is asked."""

    url: str
    token_file: Path | None = None
    """Read before every request, because Kubernetes renews it about every hour."""
    ca_file: Path | None = None
    timeout_seconds: float = 10.0
    """Seconds to connect, and to wait for the next bytes of a list."""
    watch_seconds: int = 240
    """Seconds after which the server ends a watch; a dead connection is noticed a little later."""
    max_bytes: int = 64 * 1024 * 1024
    """Largest list, and longest line of a watch. A pod has at most 1.5 MB (etcd's limit)."""
    _client: list[httpx2.Client] = field(default_factory=list, init=False, repr=False)
    _read_from: list[socket.socket] = field(default_factory=list, init=False, repr=False)

    def list_pods(self, node: str, version: str = "0") -> tuple[list[dict[str, Any]], str]:
        """Pods of *node*, and the version of that list; 0 takes the server's cache, "" does not.

        Raises:
            SourceError: The named state the API is in.
        """
        return self.list(pods_of(node), version)

    def watch_pods(self, node: str, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens to pods of *node* after *version*: (ADDED, pod) and so on, till it ends.

        Raises:
            Expired: *version* is too old.
            SourceError: The named state the API is in.
        """
        return self.watch(pods_of(node), version)

    def list(
        self, resource: Resource, version: str = "0", path: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Objects of *resource*, page by page, and the version of that list.

        Raises:
            NotServed: There is no such kind here.
            Expired: The list changed too much between two pages.
            SourceError: The named state the API is in.
        """
        query = {"fieldSelector": resource.fields} if resource.fields else {}
        query |= {"resourceVersion": version} if version else {"limit": str(_PAGE)}
        found: list[dict[str, Any]] = []
        while True:
            where = path or resource.paths[0]
            lines = [*self._ask(where, query, self.timeout_seconds, resource, whole=True)]
            body = _json(lines[0] if lines else b"")
            items, meta = body.get("items") or [], body.get("metadata") or {}
            found += [one for one in items if isinstance(one, dict)]
            if not meta.get("continue"):
                return found, str(meta.get("resourceVersion", ""))
            query["continue"] = str(meta["continue"])

    def watch(
        self, resource: Resource, version: str, path: str = ""
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens to objects of *resource* after *version*, till it ends.

        Raises:
            Expired: *version* is too old.
            SourceError: The named state the API is in.
        """
        query = {
            "resourceVersion": version,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self.watch_seconds),
        }
        if resource.fields:
            query["fieldSelector"] = resource.fields
        wait = self.watch_seconds + self.timeout_seconds
        for line in self._ask(path or resource.paths[0], query, wait, resource):
            event = _json(line)
            kind, body = str(event.get("type", "")), event.get("object")
            body = body if isinstance(body, dict) else {}
            if kind == "ERROR":
                raise _refusal(int(body.get("code") or 500), str(body.get("message", "")), resource)
            yield kind, body

    def get(self, path: str, resource: Resource) -> dict[str, Any]:
        """The one object at *path*, of kind *resource*.

        Raises:
            NotServed: It is not there.
            SourceError: The named state the API is in.
        """
        lines = [*self._ask(path, {}, self.timeout_seconds, resource, whole=True)]
        return _json(lines[0] if lines else b"")

    def close(self) -> None:
        """End open connections, one that another thread reads from as well.

        That one is shut down, and its reader closes it: the number of a descriptor closed under
        its reader is soon another connection's, and the reader would take that one's bytes.
        """
        for one in tuple(self._read_from):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        while self._client and not self._read_from:
            self._client.pop().close()

    def _ask(
        self,
        path: str,
        query: Mapping[str, str],
        wait: float,
        resource: Resource,
        *,
        whole: bool = False,
    ) -> Iterator[bytes]:
        """Lines of the answer, or all of it as one."""
        limits = httpx2.Timeout(self.timeout_seconds, read=wait)
        try:
            with self._http().stream(
                "GET", path, params=dict(query), headers=self._headers(), timeout=limits
            ) as answer:
                if answer.status_code != 200:
                    raise _refusal(answer.status_code, "", resource)
                with self._known_to_close(answer):
                    yield from _lines(answer.iter_bytes(), self.max_bytes, whole)
        except httpx2.ConnectTimeout as error:
            raise SourceDown(f"{self.url} accepts no connection") from error
        except httpx2.TimeoutException as error:
            raise SourceHung(f"{self.url} is silent") from error
        except httpx2.HTTPError as error:
            raise SourceDown(f"{self.url} cannot be asked ({type(error).__name__})") from error

    @contextlib.contextmanager
    def _known_to_close(self, answer: httpx2.Response) -> Iterator[None]:
        """Let `close` know what is read from meanwhile."""
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        self._read_from.append(connection)
        try:
            yield
        finally:
            self._read_from.remove(connection)

    def _http(self) -> httpx2.Client:
        if not self._client:
            import ssl

            context = ssl.create_default_context(cafile=self.ca_file)
            client = httpx2.Client(
                base_url=self.url, verify=context, trust_env=False, follow_redirects=False
            )
            self._client.append(client)
        return self._client[0]

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "tidegauge"}
        if self.token_file is not None:
            try:
                token = self.token_file.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SourceUnauthorised(f"{self.token_file} cannot be read") from error
            headers["Authorization"] = f"Bearer {token}"
        return headers


def api_server(
    wanted: str, environ: Mapping[str, str], account: Path = ACCOUNT
) -> ApiServer | None:
    """The API of the cluster we run in; None where *wanted* (auto, on, off) or the place say so.

    Raises:
        ConfigError: It is wanted, and this is no pod with a service account.
    """
    host, token = environ.get("KUBERNETES_SERVICE_HOST", ""), account / "token"
    if wanted == "off":
        return None
    if not host or not token.exists():
        if wanted == "on":
            raise ConfigError(
                "kubernetes is on, and this is no pod with a service account token: run it as the "
                "chart does (agent.readPods), or set kubernetes to auto"
            )
        return None
    shown = f"[{host}]" if ":" in host else host
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    return ApiServer(f"https://{shown}:{port}", token, account / "ca.crt")


def _lines(chunks: Iterator[bytes], most: int, whole: bool) -> Iterator[bytes]:
    """Complete lines of the stream, each at most *most* bytes long."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        if len(rest) > most:
            raise SourceOversized(f"the Kubernetes API sends more than {most} bytes at once")
        if not whole and b"\n" in chunk:
            *complete, last = bytes(rest).split(b"\n")
            yield from (line for line in complete if line.strip())
            rest = bytearray(last)
    if rest.strip():
        yield bytes(rest)


def _json(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise SourceUnreadable("the Kubernetes API sends something else than JSON") from error
    if not isinstance(body, dict):
        raise SourceUnreadable("the Kubernetes API sends something else than objects")
    return body


def _refusal(status: int, message: str, resource: Resource) -> SourceError:
    if status in {401, 403}:
        about = {"what": resource.name, "whose": resource.whose, "setting": resource.setting}
        return SourceUnauthorised(_FORBIDDEN.format(status=status, **about))
    if status == 410:
        return Expired("the resource version is too old")
    if status == 404:
        return NotServed(f"the Kubernetes API has no {resource.name} here")
    return SourceUnreadable(f"the Kubernetes API answers {status} {message[:200]}".strip())
