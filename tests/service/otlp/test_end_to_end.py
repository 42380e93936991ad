"""A real server: spans over HTTP to the ledger, to runs of agents, and on to the next collector."""

import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from otlp_bodies.recorded import CANARY, Kept, span, traces_body
from otlp_bodies.served import AGENT, both

from service import core
from service.clock import ManualClock, WallClock
from service.config import load
from service.life import Life
from service.running import start_api
from simulator.clusters import AGENTS
from simulator.spans import exported
from simulator.world import World

SECRET = "operator-secret-0123456789"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """What `tidegauge serve` starts, without its loop."""

    def __init__(self, folder: Path, **forward: str) -> None:
        environ = {f"TIDEGAUGE_OTLP_FORWARD__{k.upper()}": v for k, v in forward.items()}
        flags = {"data_dir": str(folder), "port": free_port(), "otlp_grpc_port": 0}
        self.life = Life()
        self.part = core.build(load(None, environ, flags), WallClock(), secret=SECRET)
        url = start_api(self.part, self.life)
        self.http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {SECRET}"}, trust_env=False
        )

    def post(self, body: bytes) -> int:
        headers = {"content-type": "application/x-protobuf"}
        return self.http.post("/v1/traces", content=body, headers=headers).status_code

    def get(self, path: str, **query: str) -> Any:
        return self.http.get(path, params=query).json()

    def close(self) -> None:
        self.http.close()
        self.life.undo()
        self.part.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def calls(at: float) -> bytes:
    told = {
        "gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 200,
        "gen_ai.agent.name": "planner", "gen_ai.conversation.id": "c-1",
        "gen_ai.input.messages": CANARY,
    }  # fmt: skip
    return traces_body(
        *(span(told, number, start=at - 30) for number in (1, 2)),
        resource={"service.namespace": "team-a"},
    )


def test_spans_become_runs_of_agents_and_go_on_without_their_words(folder: Path) -> None:
    now = WallClock().now()
    there = Kept()
    with both(there, ManualClock(now)) as (port, _):
        server = Server(
            folder,
            endpoint=f"http://127.0.0.1:{port}",
            protocol="http",
            headers=f"authorization=Bearer {AGENT}",
        )
        try:
            assert server.post(calls(now)) == 200
            (run,) = server.get("/api/v1/usage/runs")["runs"]
            found = server.get("/api/v1/usage", by="tenant")["usage"]
        finally:
            server.close()  # sends what waits
    assert (run["agent"], run["run"], run["attempts"]) == ("planner", "c-1", 2)
    assert (run["tenant"], run["input_tokens"], run["output_tokens"]) == ("team-a", 2000, 400)
    assert Decimal(run["usd"]) > 0
    assert [line["tenant"] for line in found] == ["team-a"]
    assert [one.conversation for one in there.usage] == ["c-1", "c-1"]
    assert CANARY not in there.everything
    ours = b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
    assert b"planner" in ours
    assert CANARY.encode() not in ours


def test_what_simulated_agents_trace_comes_in_at_the_door(folder: Path) -> None:
    now = WallClock().now()
    world = World(7, now - 300.0, AGENTS)
    world.advance(now)
    spans = world.traffic.spans.fetch()
    server = Server(folder)
    try:
        assert server.post(exported(spans)) == 200
        runs = server.get("/api/v1/usage/runs")["runs"]
    finally:
        server.close()
    ended = {one.place.trace.hex()[:16] for one in spans if not one.place.above}
    calls = [one for one in spans if one.client and one.place.trace.hex()[:16] in ended]
    assert len(calls) > 20
    assert sum(one["attempts"] for one in runs if one["run"] in ended) == len(calls)
    assert {one["agent"] for one in runs} >= {"reviewer", "reviewer-worker"}
    assert {one["tenant"] for one in runs} == {"code-assist"}


def test_a_dead_collector_behind_us_shows_in_the_status_and_on_our_page(folder: Path) -> None:
    server = Server(folder, endpoint="http://127.0.0.1:1", protocol="http")
    try:
        assert server.post(calls(WallClock().now())) == 200, "our own answer stands"
        for _ in range(100):
            problems = [
                one for one in server.get("/api/v1/status")["problems"] if "otlp_forward" in one
            ]
            if problems:
                break
        assert "does not go through" in problems[0]
        page = server.http.get("/metrics").text
    finally:
        server.close()
    assert 'tidegauge_otlp_forwarded_total{outcome="failed attempt"}' in page
