"""Requests as they leave us: whose token, what is a dry run, and what counts as no answer."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.execution.cluster import KubernetesApi, NoAnswer, Request, kubernetes_api
from service.execution.settings import ExecutionSettings
from service.network import free_port
from vocabulary.actions import ActionClass
from vocabulary.errors import ConfigError, SourceDown, SourceUnreadable


@dataclass
class Server:
    """A door on a real socket that says what came in."""

    manner: str = "take"
    came: list[tuple[str, dict[str, list[str]], dict[str, str], Any]] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            size = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(size)) if size else None
            parts = urlsplit(self.path)
            about = {name.lower(): value for name, value in self.headers.items()}
            told.came.append((self.command, parse_qs(parts.query), about, body))
            if told.manner == "hang up":
                self.close_connection = True
                return
            content = b"x" * 5_000_000 if told.manner == "flood" else b'{"kind": "Pod"}'
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = do_POST = _any  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield told
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[KubernetesApi]:
    for name in ("pods", "nodes"):
        (tmp_path / name).write_text(f"token-of-{name}\n")
    (tmp_path / "empty").write_text("\n")
    accounts = {"pods": str(tmp_path / "pods"), "nodes": str(tmp_path / "nodes"),
                "scale": str(tmp_path / "empty")}  # fmt: skip
    made = KubernetesApi(f"http://127.0.0.1:{server.port}", None, accounts, 5.0)
    yield made
    made.close()


PATCH = Request("PATCH", "/api/v1/nodes/n1", '{"spec":{}}', "application/merge-patch+json")
EVICT = Request("POST", "/api/v1/namespaces/a/pods/b/eviction", '{"kind":"Eviction"}')


def test_each_class_bears_its_own_token(api: KubernetesApi, server: Server) -> None:
    api.ask(ActionClass.NODES, PATCH)
    api.ask(ActionClass.PODS, EVICT)
    assert [about["authorization"] for _, _, about, _ in server.came] == [
        "Bearer token-of-nodes", "Bearer token-of-pods",
    ]  # fmt: skip
    assert server.came[0][2]["content-type"] == "application/merge-patch+json"


def test_a_renewed_token_is_used_at_once(
    api: KubernetesApi, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "pods").write_text("renewed")
    api.ask(ActionClass.PODS, EVICT)
    assert server.came[0][2]["authorization"] == "Bearer renewed"


def test_a_dry_run_asks_the_server_to_keep_nothing(api: KubernetesApi, server: Server) -> None:
    api.ask(ActionClass.PODS, EVICT, dry=True)
    api.ask(ActionClass.NODES, PATCH, dry=True)
    api.ask(ActionClass.NODES, PATCH)
    assert [query.get("dryRun") for _, query, _, _ in server.came] == [["All"], ["All"], None]


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (ActionClass.ROLLOUTS, "class rollouts has no credential here"),
        (ActionClass.SCALE, "is empty"),
    ],
)
def test_a_class_without_a_credential_sends_nothing(
    api: KubernetesApi, server: Server, group: ActionClass, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        api.ask(group, PATCH)
    assert server.came == []


def test_what_left_and_got_no_answer_is_not_what_never_left(
    api: KubernetesApi, server: Server
) -> None:
    server.manner = "hang up"
    with pytest.raises(NoAnswer):
        api.ask(ActionClass.PODS, EVICT)
    assert len(server.came) == 1
    nobody = KubernetesApi(f"http://127.0.0.1:{free_port()}", None, api.accounts, 5.0)
    with pytest.raises(SourceDown, match="nothing was sent"):
        nobody.ask(ActionClass.PODS, EVICT)
    nobody.close()


def test_an_answer_without_end_is_cut_off(api: KubernetesApi, server: Server) -> None:
    server.manner = "flood"
    with pytest.raises(SourceUnreadable, match="more than"):
        api.ask(ActionClass.PODS, EVICT)


@pytest.mark.parametrize(
    ("url", "ca_file", "environ", "told"),
    [
        ("", "", {}, "set execution.api_url"),
        ("http://10.0.0.1", "", {}, "must be https"),
        ("https://10.0.0.1", "/nowhere/ca.crt", {}, "execution.ca_file: there is no file"),
    ],
)
def test_an_api_that_cannot_be_is_refused_with_the_mend(
    url: str, ca_file: str, environ: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        kubernetes_api({}, url, ca_file, 5.0, environ)


def test_in_a_cluster_its_own_api_is_meant() -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert kubernetes_api({}, "", "", 5.0, environ).url == "https://[fd00::1]:6443"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"enabled": True}, "nobody may approve"),
        ({"people": ["a"]}, "people must name files"),
        ({"people": {"operator": "/run/x"}}, "is no name of a person"),
        ({"accounts": {"gateway": "/run/x"}}, "no executor for gateway"),
        ({"accounts": {"pod": "/run/x"}}, "there is no class 'pod'; known: pods"),
        ({"accounts": {"pods": "/run/x", "nodes": "/run/x"}}, "two classes share one file"),
        ({"most_per_hour": 0}, "most_per_hour must be greater than 0"),
        ({"least_seen_share": 1.5}, "is a share"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_mend(told: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ExecutionSettings(**told)
