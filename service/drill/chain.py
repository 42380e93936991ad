"""The whole chain over one world in one process: pages, agent, store, detectors, desk.

It is the server that `up` runs; only clock and sockets are exchanged. What really happened stays
with the world: nothing of it reaches the chain but what pages, NVML and Kubernetes tell.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from service import assembly, core
from service.clock import ManualClock
from service.config import load
from service.data_folder import prepare_folder
from service.doors import new_secret
from service.drill.case import Case
from service.local import Loop, Pace
from service.simulated import DAY, WorldClock, agent_over, write_past, write_prices
from simulator.fast import BASE, SimulatedReach
from simulator.fault import Injection
from simulator.world import World
from vocabulary.incidents import Incident


@dataclass(slots=True)
class Chain:
    """A server under a clock that moves as fast as the machine allows."""

    world: World
    part: core.Core
    loop: Loop
    interval: float
    injections: list[Injection]
    incidents: dict[str, Incident] = field(default_factory=dict)
    """The newest state of every incident so far, by id."""

    @classmethod
    def over(cls, case: Case, folder: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Build the world of *case* and a server with its files in *folder*.

        *overrides* are configuration keys, as flags would set them.
        """
        given = {"data_dir": str(folder), "price_file": str(write_prices(case.world, folder))}
        config = load(None, {}, {**given, **(overrides or {})})
        clock = ManualClock(case.start)
        prepare_folder(config.settings.data_dir, simulated=True)
        part = core.build(config, clock, secret=new_secret(secrets.token_bytes), simulated=True)
        world = World(case.seed, case.start, case.world)
        injections = [world.inject(one.fault, world.start + one.after) for one in case.events]
        write_past(part, world, case.days * DAY, case.batches())
        agent = agent_over(
            config,
            part,
            world,
            read=assembly.page_reader(config).read,
            reach=SimulatedReach(world),
            base=BASE,
            deadline_seconds=60.0,
        )
        interval = config.settings.interval_seconds
        return cls(
            world,
            part,
            Loop(
                Pace(interval, clock, simulated=True),
                agent,
                part.pipeline,
                WorldClock(part, world, clock).move_to,
                agent_up=lambda: world.scraping,
            ),
            interval,
            injections,
        )

    def run(self, until: float, tick: Callable[[float], None] = lambda _: None) -> None:
        """Let time pass until *until* (Unix seconds); *tick* is told each moment."""
        moment = self.world.now
        while moment + self.interval <= until:
            moment += self.interval
            for incident in self.loop.turn(moment):
                self.incidents[incident.id] = incident
            tick(moment)

    def close(self) -> None:
        """Let go of the workers and the files."""
        self.loop.agent.close()
        self.part.close()
