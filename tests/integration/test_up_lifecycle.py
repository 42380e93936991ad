"""`tidegauge up --demo` as a process: it ends what it starts, and knows what it knew."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from service.network import free_port
from vocabulary.incidents import incident_from_json, incident_json

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
COMMAND = (str(Path(sys.executable).with_name("tidegauge")), "up", "--demo")
STOP_SECONDS = 5.0


@dataclass
class Up:
    """One running `up --demo`, with ports and a folder of its own."""

    data: Path
    console: bool = True
    port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] = field(init=False)

    def start(self, *more: str) -> "Up":
        arguments = [
            *COMMAND, "--data-dir", str(self.data), "--port", str(self.port),
            "--console-port", str(self.console_port), *more,
        ]  # fmt: skip
        if not self.console:
            arguments.append("--no-console")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TIDEGAUGE_")},
            "TIDEGAUGE_OTLP_GRPC_PORT": "0", "TIDEGAUGE_AGENT_PORT": "0",
            "TIDEGAUGE_DEMO_HISTORY_DAYS": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            arguments, cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self

    def get(self, path: str) -> httpx2.Response:
        token = (self.data / "token").read_text().strip()
        return httpx2.get(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {token}"},
            timeout=10, trust_env=False,
        )  # fmt: skip

    def until(self, what: str, ready: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            try:
                if ready():
                    return
            except (httpx2.HTTPError, OSError):
                pass
            time.sleep(0.2)
        pytest.fail(f"{what} did not happen within {seconds:.0f} s")

    def answering(self) -> None:
        self.until("the API", lambda: self.get("/healthz").status_code == 200)
        if self.console:
            self.until("the console", lambda: listens(self.console_port))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def gone(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while listens(port) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not listens(port)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "data")
    yield made
    made.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_within_five_seconds(up: Up, number: signal.Signals) -> None:
    up.start().answering()
    began = time.monotonic()
    up.process.send_signal(number)
    up.process.wait(timeout=STOP_SECONDS)
    assert time.monotonic() - began < STOP_SECONDS
    assert not listens(up.port)
    assert gone(up.console_port, 1.0)
    _, said = up.process.communicate()
    assert "Traceback" not in said


def test_the_console_does_not_outlive_a_killed_parent(up: Up) -> None:
    up.start().answering()
    up.process.kill()
    up.process.wait(timeout=STOP_SECONDS)
    assert gone(up.console_port, STOP_SECONDS)


def test_a_run_for_some_time_ends_with_exit_1_and_its_incidents_as_json(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", console=False).start(
        "--for", "45", "--output", "json", "--speed", "20"
    )
    try:
        out, said = up.process.communicate(timeout=110)
    finally:
        up.end()
    assert up.process.returncode == 1, said
    found = json.loads(out)
    assert found
    for one in found:
        assert incident_json(incident_from_json(one)) == one
        assert one["headline"]
        assert one["evidence"]


def test_a_second_start_keeps_history_and_incidents(tmp_path: Path) -> None:
    first = Up(tmp_path / "data", console=False).start("--speed", "30")
    try:
        first.answering()
        first.until("an incident", lambda: first.get("/api/v1/incidents").json()["incidents"])
        before = {one["id"] for one in first.get("/api/v1/incidents").json()["incidents"]}
        first.process.send_signal(signal.SIGTERM)
        _, said = first.process.communicate(timeout=30)
        assert "History" in said
    finally:
        first.end()
    second = Up(tmp_path / "data", console=False).start()
    try:
        second.answering()
        after = {one["id"] for one in second.get("/api/v1/incidents").json()["incidents"]}
        assert before <= after
        second.process.send_signal(signal.SIGTERM)
        _, said = second.process.communicate(timeout=30)
        assert "History" not in said
    finally:
        second.end()


def test_a_second_one_on_the_same_ports_says_so_in_one_line(up: Up, tmp_path: Path) -> None:
    up.console = False
    up.start().answering()
    other = Up(tmp_path / "other", console=False, port=up.port).start()
    out, said = other.process.communicate(timeout=20)
    assert other.process.returncode == 2
    assert not out
    assert said.count("\n") == 1
    assert f"port {up.port}" in said
    assert up.process.poll() is None
