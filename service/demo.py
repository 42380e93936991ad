"""The demo: a simulated cluster that the real agent reads, over real sockets, in faster time."""

import time
from collections.abc import Callable

from service import assembly, core
from service.announcement import announcing
from service.clock import ManualClock, WallClock
from service.config import Config
from service.life import Life, elapsed
from service.local import Loop, Pace
from service.simulated import DAY, WorldClock, agent_over, write_past
from simulator.doors import Doors
from simulator.schedule import DEMO
from simulator.world import World

STORY = DEMO.repeated(DEMO.length, DAY)
"""The storyline again and again, for a demo that is left running (a simulated day)."""
READ_SECONDS = 0.8
"""Wall seconds a simulated target has to answer: a hung one must not slow the whole demo down."""


def prepare(
    config: Config, secret: str, life: Life, say: Callable[[str], None]
) -> tuple[core.Core, Loop]:
    """Build the world, its past and its doors, and the loop that reads them."""
    settings = config.settings
    began = time.monotonic()
    clock = ManualClock(WallClock().now())
    part = core.build(config, clock, secret=secret, simulated=True)
    life.then("files", part.close)
    newest = part.store.newest()
    interval = settings.interval_seconds
    start = _floor(max(clock.now(), (newest or 0.0) + interval), interval)
    clock.move_to(start)
    say(f"Demo     a simulated cluster, {settings.demo_speed:g} times as fast as the wall")
    world = World(settings.demo_seed, start)
    if newest is None and settings.demo_history_days > 0:
        kept = write_past(part, world, settings.demo_history_days * DAY, DEMO.batches())
        days = f"{settings.demo_history_days:g} days"
        say(f"History  {days}, {kept:,} samples, written in {elapsed(began)}")
    doors = Doors(world, clock)
    life.then("simulated pages", doors.close)
    doors.__enter__()
    STORY.place(world)
    agent = agent_over(
        config,
        part,
        world,
        read=assembly.page_reader(config, READ_SECONDS).read,
        reach=assembly.reach_for(config),
        base=doors.url,
        deadline_seconds=READ_SECONDS + 0.5,
    )
    pace = Pace(interval, clock, settings.demo_speed, simulated=True)
    before = WorldClock(part, world, clock).move_to
    loop = Loop(pace, agent, part.pipeline, before, announcing(part, say), lambda: world.scraping)
    return part, loop


def _floor(moment: float, interval: float) -> float:
    return moment // interval * interval
