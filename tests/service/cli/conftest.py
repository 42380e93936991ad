"""The command line as a shell sees it: exit code, stdout and stderr, with nothing configured."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.api.application import create_app
from service.cli import main
from service.network import free_port
from service.server import HttpServer
from tests.service.api.conftest import SECRETS, World


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    for name in [name for name in os.environ if name.startswith("TIDEGAUGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def once(*arguments: str) -> Ended:
        monkeypatch.setattr("sys.argv", ["tidegauge", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Ended(int(str(code or 0)), said.out, said.err)

    return once


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The real API over a small fleet in memory; the configuration knows its address."""
    server = HttpServer(create_app(world.wiring()), "127.0.0.1", free_port())
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("TIDEGAUGE_API_URL", url)
    monkeypatch.setenv("TIDEGAUGE_TOKEN", SECRETS["operator"])
    yield url
    server.stop()
