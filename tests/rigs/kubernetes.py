"""
A real Kubernetes control plane without nodes: kube-apiserver on an etcd of its own.

No distribution of Kubernetes is to be had without container images, but Debian 12 carries the
sources of 1.20.2 with their dependencies, and Go 1.19 builds them: four minutes on two quiet
cores, once. etcd is Debian's own. What is old about 1.20 is what it lacks (autoscaling/v2, DRA,
stable EndpointSlices); lists, watches, bookmarks, field selectors, RBAC and service account tokens
have been as they are since before.

Nobody schedules and no kubelet runs: pods are bound, reported on and ended by the test, through
the same requests. Authorisation is RBAC, so that a token may do what the roles applied allow and
nothing else; `ADMIN` may do all.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rigs import cache, debian
from rigs.processes import Server, free_port, running, work_folder

ADMIN = "rig-admin"
"""The token of a member of system:masters."""
MERGE = "application/merge-patch+json"

_TARGET = "cmd/kube-apiserver"
_BUILD = {
    "GOPROXY": "off",
    "GOFLAGS": "",
    "KUBE_GIT_TREE_STATE": "archive",
    "KUBE_GIT_COMMIT": "x",
}


def apiserver_binary() -> Path:
    """The API server, compiled if it is not there yet."""
    return cache.made_once("kubernetes", f"debian {_TARGET} {_BUILD}", _compile) / "kube-apiserver"


def etcd_binary() -> Path:
    """The database behind it."""
    return debian.installed("etcd") or debian.unpacked("etcd", ["etcd-server"]).binary("etcd")


@dataclass(slots=True)
class ControlPlane:
    """A running API server, and the requests that stand for everybody else in a cluster."""

    url: str
    folder: Path
    etcd: Server
    _api: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def ca_file(self) -> Path:
        """What a client trusts: the certificate that the server made for itself."""
        return self.folder / "certs" / "apiserver.crt"

    def start(self) -> None:
        """Start the API server; it takes some seconds."""
        port = int(self.url.rpartition(":")[2])
        command: list[str | Path] = [apiserver_binary(), *_flags(port, self.etcd.url)]
        api = running(
            "kube-apiserver",
            command,
            port=port,
            folder=self.folder,
            ready=lambda _: self._ready(),
            timeout_seconds=90,
            kind=Server,
        )
        self._api.enter_context(api)

    def stop(self) -> None:
        """End the API server as a rollout does; what it stored stays."""
        self._api.close()

    def compact(self) -> None:
        """Make etcd forget every version but the newest, as the API server does every 5 minutes."""
        asked = self._etcd("kv/range", {"key": base64.b64encode(b"/").decode()})
        self._etcd("kv/compaction", {"revision": asked["header"]["revision"]})

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str = ADMIN,
        content_type: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer of one request; *token* is a bearer token."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.ca_file)
        return _answer(request, urllib.request.HTTPSHandler(context=context))

    def done(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to an administrator's request that must succeed; PATCHes are merged."""
        kind = MERGE if method == "PATCH" else "application/json"
        status, answer = self.ask(method, path, body, content_type=kind)
        assert status in {200, 201}, f"{method} {path} answered {status}: {answer.get('message')}"
        return answer

    def token_of(self, namespace: str, account: str) -> str:
        """A token such as a pod of that service account is given, signed by this server."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.done("POST", path, wanted)["status"]["token"])

    def _ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        try:
            return self.ask("GET", "/readyz?exclude=poststarthook/rbac/bootstrap-roles")[0] == 200
        except OSError:
            return False

    def _etcd(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.etcd.url}/v3/{path}", json.dumps(body).encode())
        status, answer = _answer(request)
        assert status == 200, f"etcd's {path} answered {status}: {answer}"
        return answer


@contextlib.contextmanager
def serve() -> Iterator[ControlPlane]:
    """An empty cluster, ready to be asked."""
    apiserver_binary()
    openssl = shutil.which("openssl")
    if openssl is None:
        raise cache.RigUnavailable("kubernetes: openssl is not installed")
    with work_folder("kubernetes") as folder, _etcd(folder) as etcd:
        # The key that service account tokens are signed with.
        cache.ran("kubernetes: key", [openssl, "genrsa", "-out", folder / "sa.key", "2048"])
        owner = f"{ADMIN},admin,1,system:masters\n"
        (folder / "tokens.csv").write_text(owner, encoding="utf-8")
        plane = ControlPlane(f"https://127.0.0.1:{free_port()}", folder, etcd)
        try:
            plane.start()
            yield plane
        finally:
            plane.stop()


@contextlib.contextmanager
def _etcd(folder: Path) -> Iterator[Server]:
    port, peer = free_port(), f"http://127.0.0.1:{free_port()}"
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        etcd_binary(),
        *("--data-dir", "etcd", "--initial-cluster", f"default={peer}"),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        # Nothing here outlives the test.
        "--unsafe-no-fsync",
    ]
    with running("etcd", command, port=port, folder=folder, ready="/health", kind=Server) as server:
        yield server


def _flags(port: int, etcd: str) -> list[str]:
    issuer = "https://kubernetes.default.svc"
    return [
        f"--etcd-servers={etcd}",
        # Otherwise the history ends when the server pleases, in the middle of a test.
        "--etcd-compaction-interval=0",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # It must not be loopback, and nobody is told: no endpoints are written.
        "--advertise-address=10.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--cert-dir=certs",
        f"--service-account-issuer={issuer}",
        "--service-account-key-file=sa.key",
        "--service-account-signing-key-file=sa.key",
        f"--api-audiences={issuer}",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        # It would make pods wait for an account that nobody creates.
        "--disable-admission-plugins=ServiceAccount",
    ]


def _answer(
    request: urllib.request.Request, *handlers: urllib.request.BaseHandler
) -> tuple[int, dict[str, Any]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, _object(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _object(error.read())


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"message": body.decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {"message": str(found)}


def _compile(folder: Path) -> None:
    if not (shutil.which("make") and shutil.which("gcc")):
        raise cache.RigUnavailable("kubernetes: no make or no C compiler on this machine")
    tools = debian.unpacked("kubernetes-build", ["golang-go", "rsync"])
    work = folder / "work"
    work.mkdir()
    archives = debian.source_archives("kubernetes", work)
    archive = next(path for path in archives if ".orig.tar" in path.name)
    cache.ran("kubernetes: unpack", ["tar", "-xf", archive, "-C", work])
    tree = next(work.glob("kubernetes-*"))
    version = tree.name.removeprefix("kubernetes-")
    major, minor, _ = version.split(".", 2)
    env = {
        **os.environ,
        **_BUILD,
        "KUBE_GIT_VERSION": f"v{version}",
        "KUBE_GIT_MAJOR": major,
        "KUBE_GIT_MINOR": minor,
        # It leaves caches at home.
        "HOME": str(work),
        "PATH": f"{tools.folder / 'usr' / 'bin'}:{os.environ.get('PATH', '')}",
        "GOROOT": str((tools.folder / "usr" / "lib" / "go").resolve()),
        "LD_LIBRARY_PATH": tools.library_path,
    }
    command = ["nice", "-n", "10", "make", "all", f"WHAT={_TARGET}"]
    cache.ran("kubernetes: compile", command, cwd=tree, env=env, timeout_seconds=3600)
    built = next((tree / "_output" / "local" / "bin").rglob("kube-apiserver"))
    shutil.copy2(built, folder / "kube-apiserver")
    # Go's own module cache is read-only, which a plain removal minds.
    cache.ran("kubernetes: clean up", ["chmod", "-R", "u+w", work])
    shutil.rmtree(work)
