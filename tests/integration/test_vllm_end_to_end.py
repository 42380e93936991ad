"""A real vLLM, watched by `tidegauge up --scrape` alone: from idle to a dead engine and back.

The faults are real: a KV cache that is too small for its load, an engine core that stands still
while its front end answers, one that is killed, and a server that comes back on the same port.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import load, vllm
from rigs.processes import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PORT = free_port()
QUICK = {
    "interval_seconds": 2,
    "timeout_seconds": 1.5,
    "incidents": {"mitigated_seconds": 4, "quiet_seconds": 15},
    "detectors": {
        "kv_exhaustion": {"hold_seconds": 30},
        "engine_dead": {"quiet_seconds": 20},
    },
}
"""Patience for a test: what waits five minutes in a fleet waits seconds here."""


@contextmanager
def served() -> Iterator[vllm.VllmServer]:
    """A cache of 1,408 tokens, in which four of the forty requests below have room."""
    with vllm.serve(kv_blocks=44, context_tokens=1024, max_sequences=32, port=PORT) as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[vllm.VllmServer]:
    with products.or_skip(), served() as running:
        yield running


@pytest.fixture(scope="module")
def product(server: vllm.VllmServer) -> Iterator[Tidegauge]:
    with products.up([f"{server.url}/metrics"], QUICK) as running:
        yield running


@contextmanager
def calls_one_by_one(server: vllm.VllmServer) -> Iterator[list[load.Answer]]:
    """One short call after another, with pauses that leave the processor to the others."""
    over, answers = threading.Event(), list[load.Answer]()

    def call() -> None:
        while not over.wait(0.25):
            answers.extend(server.send(1, prompt_tokens=32, max_tokens=48))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield answers
    finally:
        over.set()
        caller.join()


def failures(product: Tidegauge) -> list[str]:
    return [one["failure_mode"] for one in product.incidents()]


def evidence_of(incident: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["signal"]: one for one in incident["evidence"]}


def test_healthy_then_out_of_cache_then_healthy(
    server: vllm.VllmServer, product: Tidegauge
) -> None:
    until(lambda: product.state() == ("idle", "no work"), "idle", product, seconds=60)
    began = time.monotonic()
    with calls_one_by_one(server) as answers:
        until(lambda: product.state()[0] == "serving", "serving", product, seconds=60)
        until(lambda: time.monotonic() - began > 75.0, "a minute of it", product, seconds=90)
    assert len(answers) > 20
    assert all(answer.ok for answer in answers)
    assert failures(product) == [], "healthy under load, nothing is the matter"

    crowd = load.start(server.url, 5000, prompt_tokens=64, max_tokens=300, concurrency=40)
    try:
        until(lambda: product.state()[0] == "saturated", "saturated", product, seconds=90)
        opened = until(
            lambda: product.incident("kv_exhaustion", "open"), "it opens", product, seconds=180
        )
    finally:
        answers = crowd.stop()
    assert all(answer.ok for answer in answers)
    seen = evidence_of(opened)
    assert seen["kv_cache_utilization"]["observed"] >= 0.95
    assert seen["preemptions_per_second"]["observed"] >= 0.05
    late = seen["time_to_first_token_mean"]
    assert late["observed"] > 3.0 * late["expected"]
    assert opened["model"] == vllm.MODEL
    until(
        lambda: product.incident("kv_exhaustion", "resolved"), "it resolves", product, seconds=240
    )
    assert product.state() == ("idle", "no work")
    assert failures(product) == ["kv_exhaustion"]


def test_an_engine_that_stands_still_behind_a_page_that_answers(
    server: vllm.VllmServer, product: Tidegauge
) -> None:
    # More than it can answer until it is stopped: an engine without work cannot stall.
    crowd = load.start(server.url, 5000, prompt_tokens=64, max_tokens=300, concurrency=4)
    until(lambda: product.state()[0] == "serving", "serving", product, seconds=60)
    core = server.engine_core_pid()
    os.kill(core, signal.SIGSTOP)
    try:
        opened = until(
            lambda: product.incident("engine_stalled", "open"), "it opens", product, seconds=180
        )
        assert product.state()[0] == "stalled"
    finally:
        os.kill(core, signal.SIGCONT)
        answers = crowd.stop()
    assert opened["severity"] == "critical"
    assert opened["code"] == "F01"
    assert "First step: Restart" in opened["headline"]
    assert evidence_of(opened)["engine_steps_per_second"]["observed"] == 0.0
    assert answers
    assert all(answer.ok for answer in answers)
    until(
        lambda: product.incident("engine_stalled", "resolved"), "it resolves", product, seconds=120
    )


def test_a_killed_engine_is_an_incident_until_the_server_is_back(
    server: vllm.VllmServer, product: Tidegauge
) -> None:
    until(lambda: product.state()[0] in {"idle", "serving"}, "seen", product, seconds=60)
    server.kill_engine_core()
    opened = until(
        lambda: product.incident("engine_dead", "open"), "engine_dead opens", product, seconds=120
    )
    assert product.state() == ("blind", "down")
    assert opened["severity"] == "critical"
    assert opened["model"] == vllm.MODEL, "a silent target keeps its name"
    assert evidence_of(opened)["target_up"]["observed"] == 0.0
    with served():
        until(
            lambda: product.incident("engine_dead", "resolved"), "it resolves", product, seconds=120
        )
        assert product.state() == ("idle", "no work")
    restarts = [one for one in product.get("changes")["changes"] if one["kind"] == "restart"]
    assert len(restarts) == 1
