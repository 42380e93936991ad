"""A small API with canned answers, made from the real words, and the console on top of it."""

import json
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from vocabulary import failure_modes as modes
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import Entity, EntityKind
from vocabulary.incidents import (
    Activity,
    Cause,
    EvidenceRecord,
    Impact,
    Incident,
    IncidentState,
    NearbyChange,
    incident_json,
)

NOW = 1_790_000_000.0
HOSTILE = "![x](http://evil.example/p.png) <script>alert(1)</script> :material/skull: $x$"
ROOT = Path(__file__).resolve().parent.parent.parent


def incident(name: str = "chat-70b-0") -> Incident:
    """An incident with every field filled."""
    replica = Entity(EntityKind.REPLICA, f"demo/serving/{name}/vllm", name)
    evidence = EvidenceRecord(
        "e1", "output_tokens_per_second", replica, "sum(rate(x[1m]))", NOW - 900, NOW - 300,
        0.0, 850.0, 700.0, 1000.0, "tokens/s", "No token for 6 min with 12 requests running.",
    )  # fmt: skip
    return Incident(
        id="inc-1", failure_mode=modes.ENGINE_STALLED,
        title="Engine stalled", headline="It stands.",
        severity=modes.Severity.CRITICAL, state=IncidentState.OPEN, opened_at=NOW - 600,
        since=NOW - 900, updated_at=NOW, entity=replica, pool="chat-70b", model="llama-70b",
        entities=(replica, Entity(EntityKind.POOL, "serving/chat-70b")), tenants=("search",),
        impact=Impact(12.0, 250_000.0, Decimal("19.56"), 14.4, "12 requests stood still"),
        causes=(Cause(modes.ENGINE_STALLED, replica, 0.93, "steps stopped first", ("e1",)),),
        changes=(NearbyChange(NOW - 1000, "rollout", replica, "image 1 to 2", -100.0),),
        evidence=(evidence,),
        actions=(Action("a", "R01", "Take out", Autonomy.ONE_CLICK, "2 of 3 left", "kubectl label",
                        "--dry-run=server", "TTFT back", "relabel", "one pod", True),),
        activity=(Activity(NOW - 600, "tidegauge", "opened"),),
    )  # fmt: skip


_SHIFT: dict[str, Any] = {
    "from": "2026-09-21T05:33:20Z", "to": "2026-09-21T13:33:20Z", "open": [], "ended": [],
    "changes": [], "silenced": [], "maintenance": [], "owed": [],
}  # fmt: skip


class FakeApi:
    """Answers what the test put in, and remembers what was posted."""

    def __init__(self) -> None:
        self.incidents: list[dict[str, Any]] = [incident_json(incident())]
        self.status: dict[str, Any] = {
            "version": "0.1.0", "as_of": "2026-09-21T13:33:20Z", "sources": 3,
            "sources_answering": 3, "simulated": True, "speed": 10.0, "problems": [],
        }  # fmt: skip
        self.replicas: list[dict[str, Any]] = []
        self.gpus: list[dict[str, Any]] = []
        self.usage: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.shift: dict[str, Any] = {}
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.paths: list[str] = []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/api/v1/status":
            return 200, self.status
        if path == "/api/v1/incidents":
            wanted = query.get("severity", [None])[0]
            found = [one for one in self.incidents if wanted in {None, one["severity"]}]
            return 200, {"incidents": found, "next_cursor": None}
        if path.startswith("/api/v1/incidents/"):
            found = [one for one in self.incidents if one["id"] == path.rsplit("/", 1)[-1]]
            return (200, found[0]) if found else (404, {"detail": "there is no such incident"})
        if path == "/api/v1/handover":
            return 200, {**_SHIFT, **self.shift}
        if path == "/api/v1/series":
            times = [f"2026-09-21T13:{minute:02d}:00Z" for minute in range(30)]
            values = [850.0] * 20 + [None] * 10
            one = {"labels": {"replica": HOSTILE}, "values": values}
            return 200, {
                "signal": "s",
                "unit": "tokens/s",
                "promql": "x",
                "times": times,
                "series": [one],
            }
        plural = path.rsplit("/", 1)[-1]
        return 200, {plural: getattr(self, plural, [])}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    fake = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def _send(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            fake.paths.append(self.path)
            self._send(*fake.answer(parts.path, parse_qs(parts.query)))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            fake.posted.append((self.path, json.loads(self.rfile.read(length))))
            assert self.headers["Idempotency-Key"]
            self._send(200, fake.incidents[0])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("TIDEGAUGE_API_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("TIDEGAUGE_TOKEN", "t" * 32)
    import streamlit as st

    st.cache_data.clear()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _same_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`, which spawned processes would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def console(api: FakeApi) -> AppTest:
    return AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=30)
