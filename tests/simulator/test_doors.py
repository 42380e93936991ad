"""Pages over real sockets on the loopback interface."""

import http.client
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from simulator.doors import Doors
from simulator.world import World


class Moment:
    """A clock that tests move."""

    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture(name="stage")
def _stage(new_world: Callable[[int], World]) -> Iterator[tuple[World, Moment, Doors]]:
    world = new_world(1)
    clock = Moment(world.start)
    with Doors(world, clock) as doors:
        yield world, clock, doors


def get(doors: Doors, path: str, timeout: float = 5.0) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(doors.url).netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_every_target_is_served_as_the_world_is_on_the_clock(
    stage: tuple[World, Moment, Doors],
) -> None:
    world, clock, doors = stage
    for door in world.targets():
        status, body, headers = get(doors, door.path)
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert body == world.page(door.name)
    clock.at += 60.0
    path = world.targets()[0].path
    assert get(doors, path)[1] != body
    assert world.now == clock.at


def test_it_listens_on_loopback_alone(stage: tuple[World, Moment, Doors]) -> None:
    assert urlsplit(stage[2].url).hostname == "127.0.0.1"


def test_the_gateway_redirects_to_the_slash_as_litellm_does(
    stage: tuple[World, Moment, Doors],
) -> None:
    world, _clock, doors = stage
    status, _body, headers = get(doors, f"/{world.gateway_name}/metrics")
    assert (status, headers["Location"]) == (307, f"/{world.gateway_name}/metrics/")


def test_health_is_green_while_the_engine_is_stalled(stage: tuple[World, Moment, Doors]) -> None:
    world, _clock, doors = stage
    world.pods("chat-70b")[0].engine.stalled = True
    assert get(doors, f"/{world.pods('chat-70b')[0].name}/health")[0] == 200


def test_a_dead_replica_closes_the_connection(stage: tuple[World, Moment, Doors]) -> None:
    world, _clock, doors = stage
    pod = world.pods("code-8b")[0]
    pod.crash(world.now)
    with pytest.raises(http.client.RemoteDisconnected):
        get(doors, f"/{pod.name}/metrics")
    assert get(doors, world.targets()[-1].path)[0] == 200, "the others still answer"


def test_a_hung_replica_takes_the_connection_and_says_nothing(
    stage: tuple[World, Moment, Doors],
) -> None:
    world, _clock, doors = stage
    pod = world.pods("code-8b")[0]
    pod.hangs = True
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        get(doors, f"/{pod.name}/metrics", timeout=0.3)
    assert time.monotonic() - began < 2.0
    assert get(doors, world.targets()[-1].path)[0] == 200, "it holds up nobody else"


def test_unknown_paths_are_not_found(stage: tuple[World, Moment, Doors]) -> None:
    assert get(stage[2], "/etc/passwd")[0] == 404
