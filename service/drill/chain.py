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
from service.agent import Agent
from service.clock import ManualClock
from service.config import Config, load
from service.data_folder import prepare_folder
from service.doors import new_secret
from service.drill.case import Case
from service.drill.hardship import Phase, Trial
from service.drill.quick_reading import QuickReader
from service.local import Loop, Pace
from service.simulated import (
    DAY,
    OneByOne,
    WorldClock,
    agent_over,
    write_past,
    write_prices,
)
from simulator.fast import BASE, SimulatedReach
from simulator.fault import Injection
from simulator.world import World
from vocabulary.incidents import Incident


@dataclass(slots=True)
class Chain:
    """A server under a clock that moves as fast as the machine allows."""

    case: Case
    config: Config
    world: World
    part: core.Core
    moves: WorldClock
    injections: list[Injection]
    incidents: dict[str, Incident] = field(default_factory=dict)
    """The newest state of every incident so far, by id."""
    trial: Trial | None = None
    loop: Loop = field(init=False)

    @classmethod
    def over(cls, case: Case, folder: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Build the world of *case* and a server with its files in *folder*.

        *overrides* are configuration keys, as flags would set them.
        """
        given = {"data_dir": str(folder), "price_file": str(write_prices(case.world, folder))}
        config = load(None, {}, {**given, **(overrides or {})})
        clock = ManualClock(case.start)
        prepare_folder(config.settings.data_dir, simulated=True)
        part = _server(config, clock)
        world = World(case.seed, case.start, case.world)
        injections = [world.inject(one.fault, world.start + one.after) for one in case.events]
        write_past(part, world, case.days * DAY, case.batches())
        moves = WorldClock(part, world, clock)
        chain = cls(case, config, world, part, moves, injections, trial=case.trial)
        chain.loop = chain._new_loop()
        return chain

    @property
    def interval(self) -> float:
        """Seconds from one moment to the next."""
        return self.config.settings.interval_seconds

    @property
    def down(self) -> bool:
        """Whether there is no server now."""
        return self.trial is not None and self.trial.server_down

    def run(self, until: float, tick: Callable[[float], None] = lambda _: None) -> None:
        """Let time pass until *until* (Unix seconds); *tick* is told each moment."""
        moment = self.world.now
        while moment + self.interval <= until:
            moment += self.interval
            self._befall(moment)
            if self.down:
                self.world.advance(moment)
                self.moves.clock.move_to(moment)
                continue
            for incident in self.loop.turn(moment):
                self.incidents[incident.id] = incident
            tick(moment)

    def read(self, until: float) -> None:
        """Let time pass until *until* and read every page; whoever asks judges by other means."""
        moment = self.world.now
        while moment + self.interval <= until:
            moment += self.interval
            self.loop.before(moment)
            if self.loop.agent_up():
                self.loop.agent.round(moment)

    def close(self) -> None:
        """Let go of the workers and the files."""
        self.loop.agent.close()
        self.part.close()

    def _befall(self, moment: float) -> None:
        """Let the case's hardship begin and end, when it is time."""
        if self.trial is None:
            return
        hardship = self.trial.hardship
        for phase in self.trial.enters(moment):
            begins = phase is Phase.DURING
            self.world.sight.delivery.delay = hardship.delay if begins else 0.0
            if hardship.server_anew and begins:
                self.close()
            elif hardship.server_anew:
                self._start_server()
            elif hardship.agent_anew and not begins:
                self.loop.agent.close()
                self.loop.agent = self._new_agent()

    def _start_server(self) -> None:
        """Another process goes on from what lies on the disk, and is told what it missed."""
        self.part = self.moves.part = _server(self.config, self.moves.clock)
        self.loop = self._new_loop()

    def _new_agent(self) -> Agent:
        return agent_over(
            self.config,
            self.part,
            self.world,
            read=QuickReader(assembly.page_reader(self.config), self.world).read,
            reach=SimulatedReach(self.world),
            base=BASE,
            deadline_seconds=60.0,
            lane=OneByOne(),
        )

    def _new_loop(self) -> Loop:
        pace = Pace(self.interval, self.moves.clock, simulated=True)
        agent = self._new_agent()
        moves = self.moves.move_to
        return Loop(pace, agent, self.part.pipeline, moves, agent_up=self._agent_up)

    def _agent_up(self) -> bool:
        return self.world.scraping and not (self.trial is not None and self.trial.agent_down)


def _server(config: Config, clock: ManualClock) -> core.Core:
    return core.build(config, clock, secret=new_secret(secrets.token_bytes), simulated=True)
