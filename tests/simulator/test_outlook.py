"""How busy pools would be: what the live world then shows, and what a scenario's author reads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from service.cli import app
from simulator.cluster import DEMO
from simulator.outlook import outlook
from simulator.scenario_file import read_scenario
from simulator.world import World

NOON = 1_795_608_000.0
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs/scenarios").glob("*.yaml"))


def test_it_tells_of_every_pool_what_the_world_then_shows() -> None:
    told = {one.pool: one for one in outlook(DEMO, 6, NOON, 600.0)}
    assert set(told) == {pool.name for pool in DEMO.pools}
    world = World(6, NOON)
    taken, looks = world.gateway.taken, []
    for _look in range(120):
        world.advance(world.now + 5.0)
        looks.append([np.mean([pod.engine.running for pod in world.pods(one)]) for one in told])
    for at, name in enumerate(told):
        live = float(np.mean([look[at] for look in looks]))
        assert told[name].running == pytest.approx(live, rel=0.25), name
        assert told[name].queued < 0.05
    calls = sum(one.calls for one in told.values())
    assert calls * 600.0 == pytest.approx(world.gateway.taken - taken, rel=0.05)


def test_a_pool_that_is_too_small_is_queued() -> None:
    crowded = replace(
        DEMO,
        streams=tuple(
            replace(one, rate=one.rate * 4.0) if one.pool == "chat-70b" else one
            for one in DEMO.streams
        ),
    )
    told = {one.pool: one for one in outlook(crowded, 6, NOON, 900.0)}
    assert told["chat-70b"].queued > 0.9
    assert told["chat-70b"].kv_share_most > 0.9
    assert told["edge-3b"].queued < 0.1


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda one: one.stem)
def test_no_example_is_overloaded_without_its_faults(file: Path) -> None:
    one = read_scenario(file)
    for pool in outlook(one.cluster, one.seed, one.start, min(one.story.length, 900.0)):
        assert pool.queued < 0.2, pool


def test_the_command_shows_each_pool_and_no_case_is_played() -> None:
    file = next(one for one in EXAMPLES if one.stem == "small-lab")
    found = CliRunner().invoke(app, ["drill", "--scenario", str(file), "--preview", "-o", "json"])
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert said["scenario"] == "small-lab"
    assert {pool["pool"] for pool in said["pools"]} == {"notes-7b", "draft-3b"}
    table = CliRunner().invoke(app, ["drill", "--scenario", str(file), "--preview"])
    assert "without its faults" in table.stdout
    assert "draft-3b" in table.stdout


def test_a_preview_without_a_scenario_says_what_is_missing() -> None:
    found = CliRunner().invoke(app, ["drill", "--preview"])
    assert found.exit_code != 0
    assert "--scenario FILE" in str(found.exception or found.output)
