"""`tidegauge moved` against the real API: what moved, the budget, and nothing to tell."""

import json
from collections.abc import Iterator

import pytest

from service.api.application import create_app
from service.behaviour.follower import Follower
from service.behaviour.moves import Move
from service.network import free_port
from service.server import HttpServer
from tests.service.api.conftest import NOW, SECRETS, World
from tests.service.cli.conftest import Run


@pytest.fixture
def follower(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    follower = Follower(15.0, per_week=3.0)
    wiring = world.wiring(behaviour=follower.told)
    server = HttpServer(create_app(wiring), "127.0.0.1", free_port())
    server.start()
    monkeypatch.setenv("TIDEGAUGE_API_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("TIDEGAUGE_TOKEN", SECRETS["operator"])
    yield follower
    server.stop()


def test_nothing_to_tell_says_how_many_series_are_followed(run: Run, follower: Follower) -> None:
    ended = run("moved")
    assert ended.out.startswith("Nothing moved; 0 series are followed.")
    assert "(3 a week)" in ended.out


def test_moves_are_told_in_their_order_and_around_one_incident(
    run: Run, world: World, follower: Follower
) -> None:
    one = next(iter(world.desk.incidents.values()))
    for index, (pool, signal) in enumerate([(one.pool, "late"), ("other", "elsewhere")]):
        follower.moves.note(
            Move(f"replica/r{index}", signal, "latency", pool, "m", one.since, NOW, 7.0, 0.2, 0.1)
        )
    everything = json.loads(run("moved", "-o", "json").out)["moves"]
    assert [move["signal"] for move in everything] == ["late", "elsewhere"]
    table = run("moved", one.id).out
    assert "late" in table
    assert "0.2" in table
    assert "elsewhere" not in table
    assert run("moved", "i-none").code != 0
