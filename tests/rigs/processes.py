"""
Starting real servers on loopback, and never leaving one behind.

Each server leads a process group of its own, so that its children go with it. A test process may
end in ways that run no clean-up at all (SIGKILL, a crash in C code, a closed terminal). So one
small watchdog per test process holds the other end of a pipe and the list of running groups: when
the pipe closes, whatever is still on the list is killed. PR_SET_PDEATHSIG would not do: it fires
when the *thread* that started the server ends, and reaches no grandchildren.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

_WATCHDOG_SOURCE = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    group = int(line)
    (groups.add if group > 0 else groups.discard)(abs(group))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""

_watchdogs: dict[int, subprocess.Popen[str]] = {}
_watchdog_lock = threading.Lock()


class ServerFailed(AssertionError):
    """A rig that is installed did not start or ended by itself: a failure, never a skip."""


class Server:
    """A running server: where it listens, what it wrote, and how to end it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.name = name
        self.process = process
        self.url = url
        self.log = log

    @property
    def pid(self) -> int:
        """Process id of the server, which is the id of its process group too."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the server process still runs."""
        return self.process.poll() is None

    def logs(self) -> str:
        """Everything the server wrote so far, both streams together."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, grace_seconds: float = 10) -> None:
        """End the server as an operator would, then by force what is left of its group."""
        if self.alive:
            # A stopped process does not see SIGTERM until it is continued.
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """End the server and its children at once, without a chance to say goodbye."""
        self._signal_group(signal.SIGKILL)
        self.process.wait()
        _tell_watchdog(-self.pid)

    def freeze(self) -> None:
        """Stop all its processes where they are: sockets stay open, nothing answers."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@contextlib.contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """A folder for one server's data and log, removed afterwards."""
    with tempfile.TemporaryDirectory(
        prefix=f"tidegauge-{name}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


AnyServer = TypeVar("AnyServer", bound=Server)


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    port: int,
    folder: Path,
    ready: str | Callable[[str], bool] = "/",
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
    kind: type[AnyServer],
) -> Iterator[AnyServer]:
    """
    Run *command* in *folder* and yield a server of that *kind* once it is ready; end it afterwards.

    *ready* is a path that must answer 200, or a question asked with the base URL. *env* is added
    to the environment of this process.

    Raises:
        ServerFailed: It ended by itself or was not ready in time; the message ends with its log.
    """
    log = folder / f"{name}.log"
    process = _start(command, log, folder, env or {})
    server = kind(name, process, f"http://127.0.0.1:{port}", log)
    try:
        _await_ready(server, ready, timeout_seconds)
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A loopback port that nobody listens on now; it may be taken before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    question: Callable[[], bool], *, timeout_seconds: float = 30, every_seconds: float = 0.1
) -> bool:
    """Ask until the answer is yes; False when it never was within *timeout_seconds*."""
    deadline = time.monotonic() + timeout_seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True


def fetched(url: str, *, token: str = "", timeout_seconds: float = 5) -> tuple[int, str]:
    """Status and body of a GET; status 0 when nobody answered. Ignores proxies: it is loopback."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


def _start(
    command: Sequence[str | Path], log: Path, folder: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("wb") as handle:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _tell_watchdog(process.pid)
    return process


def _await_ready(
    server: Server, ready: str | Callable[[str], bool], timeout_seconds: float
) -> None:
    def answers() -> bool:
        if not server.alive:
            return True
        if callable(ready):
            return ready(server.url)
        return fetched(server.url + ready)[0] == 200

    in_time = wait_until(answers, timeout_seconds=timeout_seconds, every_seconds=0.05)
    if in_time and server.alive:
        return
    state = f"not ready after {timeout_seconds:.0f} s"
    if not server.alive:
        state = f"ended with status {server.process.returncode}"
    last_lines = "\n".join(server.logs().splitlines()[-25:])
    raise ServerFailed(f"{server.name} {state}:\n{last_lines}")


def _tell_watchdog(group: int) -> None:
    """Put *group* on the list of what must not outlive this process; negative takes it off."""
    with _watchdog_lock:
        watchdog = _watchdogs.get(os.getpid())
        if watchdog is None or watchdog.poll() is not None:
            watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WATCHDOG_SOURCE],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
            _watchdogs[os.getpid()] = watchdog
            atexit.register(_dismiss, watchdog)
        assert watchdog.stdin is not None
        watchdog.stdin.write(f"{group}\n")
        watchdog.stdin.flush()


def _dismiss(watchdog: subprocess.Popen[str]) -> None:
    if watchdog.stdin is not None:
        watchdog.stdin.close()
    watchdog.wait()
