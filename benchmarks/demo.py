"""How soon the demo finds its first fault, and what it costs this machine until then.

    python benchmarks/demo.py [--speed 10] [--seconds 60]

Prints one JSON object. `tidegauge up --demo --no-console` runs in a process of its own, in a
temporary folder, on free ports of loopback; it is watched through its output and /proc (Linux).
CPU counts the process and what it started. Wall-clock seconds.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

PORTS = ("TIDEGAUGE_PORT", "TIDEGAUGE_OTLP_GRPC_PORT", "TIDEGAUGE_AGENT_PORT")


def free_ports(names: tuple[str, ...]) -> dict[str, str]:
    """A free port of loopback for each of *names*."""
    found: dict[str, str] = {}
    with ExitStack() as held:
        for name in names:
            door = held.enter_context(socket.socket())
            door.bind(("127.0.0.1", 0))
            found[name] = str(door.getsockname()[1])
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds of process *pid* so far, user and system, with children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most memory that process *pid* has held, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def measure(speed: float, seconds: float) -> dict[str, float | None]:
    """The figures of one run of *seconds* of wall time."""
    moments: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from service.cli import main; main()"]
        command += ["up", "--demo", "--no-console"]
        command += ["--speed", f"{speed:g}", "--data-dir", folder]
        environment = os.environ | free_ports(PORTS) | {"PYTHONUNBUFFERED": "1"}
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=Path(__file__).resolve().parent.parent, env=environment,
        )  # fmt: skip

        def follow() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                moments.setdefault(line.split()[0] if line.strip() else "", time.perf_counter())

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            while "API" not in moments and process.poll() is None:
                time.sleep(0.05)
            ready, spent = time.perf_counter(), cpu_seconds(process.pid)
            time.sleep(seconds)
            wall, cpu = time.perf_counter() - ready, cpu_seconds(process.pid) - spent
            memory = peak_mib(process.pid)
        finally:
            process.terminate()
            process.wait()
            follower.join()
    first = moments.get("open")
    return {
        "speed": speed,
        "ready_after_seconds": round(ready - begun, 2),
        "cpu_seconds_until_ready": round(spent, 2),
        "first_open_incident_after_seconds": round(first - begun, 1) if first else None,
        "watched_seconds": round(wall, 1),
        "cpu_share_of_one_core": round(cpu / wall, 3),
        "simulated_seconds_per_cpu_second": round(speed * wall / cpu, 1),
        "peak_memory_mib": round(memory),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.speed, arguments.seconds), indent=2))


if __name__ == "__main__":
    main()
