"""`tidegauge maintenance` against the real API over a real desk."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from incident_scenes import Story

from service.api.application import create_app
from service.network import free_port
from service.server import HttpServer
from tests.service.api.conftest import SECRETS, World
from tests.service.cli.conftest import Run


@pytest.fixture
def served(
    world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    story = Story(tmp_path / "control.sqlite")
    story.world.add_pool()
    world.scene, world.clock = story.world.scene(), story.clock  # type: ignore[assignment]
    wiring = world.wiring(desk=story.desk, maintenance=story.desk.maintenance,
                          hushed=story.desk.in_maintenance)  # fmt: skip
    server = HttpServer(create_app(wiring), "127.0.0.1", free_port())
    server.start()
    monkeypatch.setenv("TIDEGAUGE_API_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("TIDEGAUGE_TOKEN", SECRETS["operator"])
    yield story
    server.stop()
    story.records.close()


def test_a_window_lives_on_the_command_line(run: Run, served: Story) -> None:
    assert run("maintenance", "list").out == "No maintenance is planned or under way.\n"
    asked = ("maintenance", "start", "--pool", "prod/chat", "--minutes", "60")
    shown = run(*asked, "--preview")
    assert "Covers 3 of 3 replicas" in shown.out
    assert json.loads(run("maintenance", "list", "-o", "json").out) == []
    opened = run(*asked, "--reason", "new kernel")
    assert "active until" in opened.out
    (one,) = json.loads(run("maintenance", "list", "-o", "json").out)
    assert "new kernel" in run("maintenance", "list").out
    assert run("maintenance", "end", one["id"]).out == f"{one['id']}: over\n"


def test_a_window_of_everything_is_refused(run: Run, served: Story) -> None:
    ended = run("maintenance", "start", "--minutes", "60")
    assert ended.code == 2
    assert "name an entity, a pool" in ended.err
