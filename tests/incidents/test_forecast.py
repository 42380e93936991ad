"""What comes if nothing is done: only of what is known to grow."""

from decimal import Decimal

import numpy as np
import pytest
from incident_scenes import NOON, World

from incidents.forecast import forecast
from incidents.readings import Readings
from incidents.settings import DeskSettings
from vocabulary.incidents import Impact


def told(world: World, now: Impact | None = None) -> str:
    return forecast("prod/chat", now or Impact(), Readings(world.scene()), DeskSettings())


def queue(*rows: list[float]) -> World:
    world = World()
    world.series["requests_waiting"] = [
        ({"replica": f"r{number}", "pool": "prod/chat"}, row) for number, row in enumerate(rows)
    ]
    return world


def test_nothing_known_foretells_nothing() -> None:
    assert told(World()) == ""


def test_a_queue_that_grows_is_carried_on() -> None:
    rising = [2.0 * minute for minute in range(15)]
    assert told(queue(rising, rising)) == "56 requests wait, 176 in 30 min"


@pytest.mark.parametrize(
    "row",
    [[8.0] * 15, [30.0 - minute for minute in range(15)], [float(n % 2 * 20) for n in range(15)]],
    ids=["steady", "falling", "uneven"],
)
def test_a_queue_without_a_rising_line_is_not(row: list[float]) -> None:
    assert told(queue(row)) == ""


def test_a_queue_with_gaps_says_nothing_rather_than_something_wrong() -> None:
    assert told(queue([float("nan")] * 10 + [1.0, 2.0, 3.0, 4.0, 5.0])) == ""


def test_other_pools_do_not_matter() -> None:
    world = queue(list(np.arange(15.0)))
    world.series["requests_waiting"] = [
        ({"replica": "r", "pool": "prod/other"}, list(np.arange(15.0)))
    ]
    assert told(world) == ""


def test_a_cache_that_fills_has_a_time_left() -> None:
    world = World(now=NOON)
    filling = [0.5 + 0.02 * minute for minute in range(15)]
    world.series["kv_cache_utilization"] = [({"replica": "r", "pool": "prod/chat"}, filling)]
    assert told(world) == "KV caches are full in 11 min"


def test_budget_and_dollars_at_the_pace_of_now() -> None:
    now = Impact(usd_per_hour=Decimal("12.50"), slo_burn=14.4)
    assert told(World(), now) == (
        "the error budget of 30 days is gone in 50 h; 300.00 USD more in a day"
    )
    assert told(World(), Impact(slo_burn=1.0)) == ""
