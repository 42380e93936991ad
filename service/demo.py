"""The demo: a simulated cluster that the real agent reads, over real sockets, in faster time."""

import time
from collections.abc import Callable

from service import assembly, core
from service.agent import Agent
from service.announcement import announcing
from service.clock import ManualClock, WallClock
from service.config import Config
from service.drill.case import Case
from service.drill.hardship import Phase, Trial
from service.life import Life, elapsed
from service.local import Loop, Pace
from service.settings import Settings
from service.simulated import DAY, WorldClock, agent_over, write_past
from simulator.doors import Doors
from simulator.schedule import DEMO
from simulator.world import World

STORY = DEMO.repeated(DEMO.length, DAY)
"""The storyline again and again, for a demo that is left running (a simulated day)."""
CALM_SHOWN = 120.0
"""Simulated seconds of a case's calm that are left to look at before its first event."""
READ_SECONDS = 0.8
"""Wall seconds a simulated target has to answer: a hung one must not slow the whole demo down."""


def prepare(
    config: Config, secret: str, life: Life, say: Callable[[str], None], case: Case | None = None
) -> tuple[core.Core, Loop]:
    """Build the world, its past and its doors, and the loop that reads them.

    The demo's storyline begins now; a *case* of a drill begins at its own time, and its calm is
    passed over at full speed until shortly before its first event.
    """
    settings = config.settings
    began = time.monotonic()
    clock = ManualClock(WallClock().now())
    part = core.build(config, clock, secret=secret, simulated=True)
    life.then("files", part.close)
    newest = part.store.newest()
    interval = settings.interval_seconds
    shown = case or _story(settings, max(clock.now(), (newest or 0.0) + interval))
    clock.move_to(shown.start)
    say(f"Demo     a simulated cluster, {settings.demo_speed:g} times as fast as the wall")
    world = World(shown.seed, shown.start, shown.world)
    if newest is None and shown.days > 0:
        nightly = DEMO.batches() if case is None else case.batches()
        kept = write_past(part, world, shown.days * DAY, nightly)
        say(f"History  {shown.days:g} days, {kept:,} samples, written in {elapsed(began)}")
    doors = Doors(world, clock)
    life.then("simulated pages", doors.close)
    doors.__enter__()
    for event in shown.events:
        world.inject(event.fault, world.start + event.after)

    def new_agent() -> Agent:
        return agent_over(
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
    loop = Loop(
        pace, new_agent(), part.pipeline, before, announcing(part, say), lambda: world.scraping
    )
    if case is not None and case.trial is not None:
        _befall(case.trial, loop, world, new_agent, say)
    if case is not None:
        _pass_over(case, loop, interval, life, say)
    return part, loop


def _befall(
    trial: Trial,
    loop: Loop,
    world: World,
    new_agent: Callable[[], Agent],
    say: Callable[[str], None],
) -> None:
    """Let the hardship of a case befall the agent of *loop* and its samples, when it is time."""
    move, hardship = loop.before, trial.hardship

    def before(moment: float) -> None:
        for phase in trial.enters(moment):
            begins = phase is Phase.DURING
            say(f"Hardship {hardship.name} {'begins' if begins else 'is over'}")
            world.sight.delivery.delay = hardship.delay if begins else 0.0
            if hardship.agent_anew and not begins:
                loop.agent.close()
                loop.agent = new_agent()
        move(moment)

    loop.before = before
    loop.agent_up = lambda: world.scraping and not trial.agent_down


def _story(settings: Settings, start: float) -> Case:
    interval = settings.interval_seconds
    return Case(
        "demo", settings.demo_seed, _floor(start, interval), STORY.events, STORY.length,
        settings.demo_history_days,
    )  # fmt: skip


def _pass_over(
    case: Case, loop: Loop, interval: float, life: Life, say: Callable[[str], None]
) -> None:
    """Let the calm before the first event go by at full speed."""
    began = time.monotonic()
    first = min((one.after for one in case.events), default=0.0)
    turns = max(0, int((first - CALM_SHOWN) // interval))
    for turn in range(1, turns + 1):
        if life.ended.is_set():
            return
        loop.turn(case.start + turn * interval)
    if turns:
        say(f"Calm     {turns * interval / 60.0:.0f} minutes passed over in {elapsed(began)}")
    for one in case.events:
        hence = (one.after - turns * interval) / 60.0
        say(f"To come  {one.fault.code} {one.fault.failure_mode.title}, in {hence:.0f} min")


def _floor(moment: float, interval: float) -> float:
    return moment // interval * interval
