"""From a cluster's API through a real agent and real OTLP to an incident that names the change."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from fake_api_server import DEPLOYMENTS, FakeApiServer, deployment_body, pod_body

from fleet import identity
from service import assembly, core, node_agent
from service.clock import WallClock
from service.config import load
from service.data_folder import prepare_folder
from service.kubernetes.api_server import ApiServer
from service.life import Life
from service.local import Loop
from service.network import free_port
from service.running import _local, start_api
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene

TOKEN = "t" * 32
OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@dataclass(frozen=True, slots=True)
class Suffering(Detector):
    """Finds pool llm/chat in trouble, as any detector might."""

    failure_mode: ClassVar = failure_modes.LATENCY_BURN
    watches: ClassVar = ()

    def detect(self, scene: Scene) -> Iterable[Finding]:
        pool, now = identity.pool("llm/chat"), scene.now
        yield Finding(
            self.failure_mode, pool, now, now, Severity.CRITICAL, 0.9, (), "it is slow", "llm/chat"
        )


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 15
    while not true():
        assert time.monotonic() < end, "it did not come about in fifteen seconds"
        time.sleep(0.02)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeApiServer]:
    token = tmp_path / "account-token"
    token.write_text("first")
    with FakeApiServer() as fake:
        server = ApiServer(fake.url, token, timeout_seconds=2.0, watch_seconds=3)
        monkeypatch.setattr(assembly, "api_server", lambda *_: replace(server))
        yield fake


@dataclass
class Served:
    """A running server: its core, its API, and where agents report to."""

    part: core.Core
    loop: Loop
    url: str
    endpoints: dict[str, str]

    def get(self, path: str, **query: str) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx2.get(f"{self.url}/api/v1/{path}", params=query, headers=headers).json()

    def changes(self, **query: str) -> list[dict[str, Any]]:
        """After a turn of the loop, without its agent."""
        self.loop.before(0.0)
        self.part.pipeline.tick(time.time())
        found: list[dict[str, Any]] = self.get("changes", **query)["changes"]
        return found


@pytest.fixture
def lives() -> Iterator[Callable[[], Life]]:
    begun: list[Life] = []

    def one() -> Life:
        begun.append(Life())
        return begun[-1]

    yield one
    for life in reversed(begun):
        life.undo()


def serve(life: Life, folder: Path) -> Served:
    ports = {"port": free_port(), "otlp_grpc_port": free_port()}
    config = load(None, {}, {"data_dir": str(folder), "token": TOKEN, "gpus": False, **ports})
    prepare_folder(folder)
    part, loop = _local(config, TOKEN, life, own_node=False)
    part.pipeline.detectors = {}
    url = start_api(part, life)
    life.then("loop", loop.agent.close)
    grpc = f"http://127.0.0.1:{ports['otlp_grpc_port']}"
    return Served(part, loop, url, {"http": url, "grpc": grpc})


def collect(life: Life, folder: Path, endpoint: str, protocol: str) -> None:
    secret = folder / "token"
    folder.mkdir(exist_ok=True)
    secret.write_text(TOKEN)
    flags = {
        "data_dir": str(folder / "data"), "node": "n1", "cluster": "prod", "gpus": False,
        "agent_port": 0, "otlp_endpoint": endpoint, "otlp_protocol": protocol,
        "otlp_token_file": str(secret), "interval_seconds": 0.2, "timeout_seconds": 0.5,
    }  # fmt: skip
    (folder / "data").mkdir(exist_ok=True)
    node_agent.start(load(None, {}, flags), life.then, lambda _: None)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_is_done_in_the_cluster_is_named_by_the_incident(
    cluster: FakeApiServer, lives: Callable[[], Life], tmp_path: Path, protocol: str
) -> None:
    cluster.put(deployment_body(), DEPLOYMENTS)
    cluster.put(pod_body("chat-1"))
    served = serve(lives(), tmp_path / "server")
    collect(lives(), tmp_path / "agent", served.endpoints[protocol], protocol)
    until(lambda: following_pods(cluster) and cluster.watches(DEPLOYMENTS))
    cluster.put(deployment_body(image="vllm/vllm-openai:v0.33.0"), DEPLOYMENTS)
    cluster.put(pod_body("chat-1", restarts=1, last=OOM))
    until(
        lambda: {one["kind"] for one in served.changes(pool="llm/chat")} == {"rollout", "restart"}
    )
    (restart,) = served.changes(kind="restart")
    assert restart["entity"]["id"] == "prod/llm/uid-chat-1/vllm"
    served.part.pipeline.detectors = {"suffering": Suffering()}
    served.changes()
    (incident,) = served.get("incidents")["incidents"]
    named = served.get(f"incidents/{incident['id']}")["changes"]
    words = {one["kind"]: one["what"] for one in named}
    assert "v0.32.0 → vllm/vllm-openai:v0.33.0" in words["rollout"]
    assert words["restart"] == "chat-1 restarted: vllm ran out of memory (OOMKilled)"


def test_what_was_acknowledged_survives_a_crash_and_is_not_told_again_after_it(
    cluster: FakeApiServer, lives: Callable[[], Life], tmp_path: Path
) -> None:
    cluster.put(pod_body("chat-1"))
    first = lives()
    served = serve(first, tmp_path / "server")
    agent = lives()
    collect(agent, tmp_path / "agent", served.endpoints["grpc"], "grpc")
    until(lambda: following_pods(cluster))
    cluster.put(pod_body("chat-1", restarts=1, last=OOM))
    until(lambda: served.changes(kind="restart"))
    until(lambda: '"restarts": 1' in _text(tmp_path / "agent" / "data" / "seen.json"))
    agent.undo()
    # a crash: the database as it is now, without the farewell of a server that stops
    again = core.build(
        load(None, {}, {"data_dir": str(_copied(tmp_path / "server", tmp_path / "crashed"))}),
        WallClock(),
        secret=TOKEN,
    )
    assert [one.kind for one in again.fleet.changes() if one.kind == "restart"] == ["restart"]
    again.close()
    collect(lives(), tmp_path / "agent", served.endpoints["grpc"], "grpc")
    cluster.put(pod_body("chat-1", restarts=2, last=OOM))
    until(lambda: len(served.changes(kind="restart")) == 2)
    ids = [one.id for one in served.part.fleet.changes() if one.kind == "restart"]
    assert ids == [f"prod/llm/uid-chat-1/vllm/restart {count}" for count in (1, 2)]


def following_pods(cluster: FakeApiServer) -> bool:
    return any(one["fieldSelector"] == "spec.nodeName=n1" for one in cluster.watches())


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _copied(folder: Path, to: Path) -> Path:
    import sqlite3

    to.mkdir()
    source = sqlite3.connect(folder / assembly.CONTROL_FILE)
    target = sqlite3.connect(to / assembly.CONTROL_FILE)
    with source, target:
        source.backup(target)
    source.close()
    target.close()
    return to
