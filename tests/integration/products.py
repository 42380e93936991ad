"""The product as a user starts it: the real `tidegauge` command, on free ports, always stopped.

Nothing of the product is imported here. What it knows is read through the doors that users have:
the API with its token, the agent's page, the commands' output and the files left in its folder.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from rigs.cache import RigUnavailable
from rigs.processes import Server, fetched, free_port, running, work_folder

PROGRAM = Path(sys.executable).parent / "tidegauge"
Found = TypeVar("Found")


class Tidegauge(Server):
    """A running `tidegauge`, in a folder of its own."""

    @property
    def folder(self) -> Path:
        """Where it runs; its configuration, its data and its log lie here."""
        return self.log.parent

    @property
    def data(self) -> Path:
        """Its data directory."""
        settings = json.loads((self.folder / "tidegauge.yaml").read_text(encoding="utf-8"))
        return self.folder / settings.get("data_dir", "tidegauge-data")

    def get(self, path: str, **query: str) -> Any:
        """What the API answers under *path*, asked with the token that was left for us."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        token = (self.data / "token").read_text(encoding="utf-8").strip()
        status, text = fetched(url, token=token, timeout_seconds=20)
        assert status == 200, f"GET {path} answered {status}: {text[:300]}"
        return json.loads(text)

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident so far, in full."""
        listed = self.get("incidents", limit="100")["incidents"]
        return [self.get(f"incidents/{one['id']}") for one in listed]

    def incident(self, failure_mode: str, *states: str) -> dict[str, Any] | None:
        """The incident of that failure mode in one of *states*, if there is one."""
        for one in self.incidents():
            if one["failure_mode"] == failure_mode and one["state"] in states:
                return one
        return None

    def state(self) -> tuple[str, str]:
        """State and reason of the only replica; empty while there is none."""
        found = self.get("replicas")["replicas"]
        assert len(found) <= 1, f"one server was to be watched, and these are seen: {found}"
        return (found[0]["state"], found[0]["reason"]) if found else ("", "")

    def story(self) -> str:
        """What it knows now and the end of its log, for the message of a test that fails."""
        lines = [f"state: {self.state()}"]
        lines += [
            f"{one['state']} {one['severity']} {one['failure_mode']}: {one['headline']}"
            for one in self.incidents()
        ]
        return "\n".join([*lines, *self.logs().splitlines()[-15:]])


@contextlib.contextmanager
def up(scrape: Sequence[str], config: Mapping[str, Any] | None = None) -> Iterator[Tidegauge]:
    """`tidegauge up` reading nothing but the pages of *scrape*, once its API answers."""
    port = free_port()
    pages = [part for url in scrape for part in ("--scrape", url)]
    command = [PROGRAM, "up", "--no-console", "--port", str(port), *pages]
    settings = {"otlp_grpc_port": 0, "agent_port": 0, "gpus": False, **(config or {})}
    with _started(command, settings, port, "/healthz") as product:
        yield product


@contextlib.contextmanager
def collect(scrape: Sequence[str], config: Mapping[str, Any] | None = None) -> Iterator[Tidegauge]:
    """`tidegauge collect` with a page that a Prometheus may scrape, and nothing else."""
    port = free_port()
    pages = [part for url in scrape for part in ("--scrape", url)]
    command = [PROGRAM, "collect", "--agent-port", str(port), *pages]
    with _started(command, {"gpus": False, **(config or {})}, port, "/metrics") as product:
        yield product


def run(*arguments: str | Path, cwd: Path) -> str:
    """What a command of `tidegauge` that ends by itself writes to stdout; it must succeed."""
    command = [PROGRAM, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def until(
    question: Callable[[], Found | None],
    what: str,
    product: Tidegauge | None = None,
    *,
    seconds: float,
) -> Found:
    """The first true answer; fails, telling the product's story, when *seconds* are over."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            story = product.story() if product else ""
            pytest.fail(f"not within {seconds:.0f} s: {what}\n{story}")
        time.sleep(0.5)
    return answer


@contextlib.contextmanager
def or_skip() -> Iterator[None]:
    """Skip where this machine cannot have the rig; a rig that fails is a failure."""
    try:
        yield
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


@contextlib.contextmanager
def _started(
    command: Sequence[str | Path], settings: Mapping[str, Any], port: int, ready: str
) -> Iterator[Tidegauge]:
    with work_folder("product") as folder:
        # YAML reads JSON, and the command finds its configuration where it is started.
        (folder / "tidegauge.yaml").write_text(json.dumps(settings), encoding="utf-8")
        with running(
            "tidegauge", command, port=port, folder=folder, ready=ready, kind=Tidegauge
        ) as product:
            yield product
            log = product.logs()
            assert "Traceback" not in log, log[-4000:]
