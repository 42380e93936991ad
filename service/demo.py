"""The demo: a simulated cluster that the real agent reads, over real sockets, in faster time."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from service import assembly, core
from service.agent import Agent, Hardware
from service.announcement import announcing
from service.clock import ManualClock, WallClock
from service.config import Config
from service.life import Life, elapsed
from service.local import Loop, Pace
from simulator.doors import Doors
from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.history import history
from simulator.schedule import DEMO
from simulator.world import World
from vocabulary import metrics
from vocabulary.samples import Array, Sample, Series, labels_of

DAY = 86400.0
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
        kept = _write_history(part, world, settings.demo_history_days * DAY)
        days = f"{settings.demo_history_days:g} days"
        say(f"History  {days}, {kept:,} samples, written in {elapsed(began)}")
    doors = Doors(world, clock)
    life.then("simulated pages", doors.close)
    doors.__enter__()
    STORY.place(world)
    last_change = [start - 1.0]

    def before(moment: float) -> None:
        world.advance(moment)
        clock.move_to(moment)
        changes = world.changes(last_change[0])
        if changes:
            last_change[0] = max(change.at for change in changes)
            part.take_changes(changes)

    pace = Pace(interval, clock, settings.demo_speed, simulated=True)
    agent = _agent(config, part, world, doors.url)
    loop = Loop(pace, agent, part.pipeline, before, announcing(part, say), lambda: world.scraping)
    return part, loop


def _write_history(part: core.Core, world: World, span: float) -> int:
    """The simulated past and what it cost, straight into the store."""
    parts: dict[Series, list[tuple[Array, Array]]] = {}
    for block in history(world, span=span, nightly=DEMO.batches()):
        for series, values in zip(block.series, block.values, strict=True):
            parts.setdefault(series, []).append((block.times, values))
    columns = [
        (series, np.concatenate([t for t, _ in some]), np.concatenate([v for _, v in some]))
        for series, some in parts.items()
    ]
    times = max((column[1] for column in columns), key=len)
    held = [*_products(world, 0.0), *_allocations(world, 0.0)]
    columns += [(one.series, times, np.ones(len(times))) for one in held]
    kept = part.store.append_columns(columns)
    return kept + part.store.append_columns(part.meter.history(columns))


def _agent(config: Config, part: core.Core, world: World, url: str) -> Agent:
    reach = assembly.reach_for(config.settings)

    def deliver(moment: float, samples: Sequence[Sample]) -> None:
        part.keep([*samples, *_allocations(world, moment)])

    return Agent(
        targets=lambda: page_targets(world, url),
        read=assembly.page_reader(config, READ_SECONDS).read,
        reach=reach,
        deliver=deliver,
        hardware=[
            Hardware(
                f"{name} of {dict(node.labels)['node']}",
                collector,
                node,
                SimulatedReach(world, dict(node.labels)["node"]),
            )
            for node in node_targets(world)
            for name, collector in assembly.node_collectors(config).items()
        ],
        deadline_seconds=READ_SECONDS + 0.5,
    )


def _allocations(world: World, moment: float) -> list[Sample]:
    """Which replica holds which GPU, as a kubelet would tell the agent."""
    return [
        Sample(
            Series(
                metrics.GPU_ALLOCATION.name,
                labels_of({**dict(one.labels), "gpu": one.gpu, "node": one.node}),
            ),
            1.0,
            moment,
        )
        for one in world.gpu_allocations()
    ]


def _products(world: World, moment: float) -> list[Sample]:
    """What each GPU is, for the past that NVML never saw."""
    return [
        Sample(
            Series(
                metrics.GPU_INFO.name,
                labels_of({"gpu": one.gpu, "node": one.node, "product": one.gpu_model}),
            ),
            1.0,
            moment,
        )
        for one in world.gpu_allocations()
    ]


def _floor(moment: float, interval: float) -> float:
    return moment // interval * interval
