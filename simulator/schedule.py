"""Storylines: which fault happens when, in the demo and in whatever scenario a drill builds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.fault import Fault, Injection
from simulator.faults.engine_stalled import EngineStalled
from simulator.faults.runaway_agent import RunawayAgent
from simulator.faults.straggler_gpu import StragglerGpu
from simulator.faults.throughput_regression import ThroughputRegression
from simulator.look_alikes.counter_reset import CounterReset
from simulator.look_alikes.model_swap import ModelSwap
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.look_alikes.scrape_gap import ScrapeGap
from simulator.world import World

_MINUTE = 60.0
WEEK_START = 1_763_337_600.0
"""Monday 2025-11-17, 00:00 UTC: every drill begins in the week after it."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fault and when it begins."""

    after: float
    """Seconds after the start of the world."""
    fault: Fault


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults and look-alikes placed in time."""

    name: str
    events: tuple[Event, ...]
    length: float
    """Seconds until nothing more is to come."""

    def place(self, world: World) -> list[Injection]:
        """Inject everything into *world*, in order."""
        return [world.inject(one.fault, world.start + one.after) for one in self.events]

    def batches(self) -> list[tuple[float, NightlyBatch]]:
        """Nightly batches with their onset: history must show them at the same hour."""
        return [
            (one.after, one.fault) for one in self.events if isinstance(one.fault, NightlyBatch)
        ]

    def repeated(self, every: float, until: float) -> "Scenario":
        """This storyline over and over, for a demo that is left running."""
        events = tuple(
            Event(one.after + turn * every, one.fault)
            for turn in range(max(1, int(until // every)))
            for one in self.events
        )
        return Scenario(self.name, events, until)


def truths(injections: Iterable[Injection]) -> list[dict[str, Any]]:
    """What really happened, in order of time."""
    return [one.truth() for one in sorted(injections, key=lambda one: one.at)]


DEMO = Scenario(
    "demo",
    (
        Event(2 * _MINUTE, ThroughputRegression(slowdown=1.7, pause=20.0, duration=55 * _MINUTE)),
        Event(6 * _MINUTE, EngineStalled(duration=20 * _MINUTE)),
        Event(34 * _MINUTE, ScrapeGap(duration=75.0)),
        Event(40 * _MINUTE, RunawayAgent(duration=60 * _MINUTE)),
        Event(75 * _MINUTE, CounterReset()),
        Event(85 * _MINUTE, NightlyBatch(duration=45 * _MINUTE)),
        Event(110 * _MINUTE, StragglerGpu(duration=40 * _MINUTE)),
        Event(155 * _MINUTE, ModelSwap()),
    ),
    length=180 * _MINUTE,
)
"""At ten times the wall's speed: a slow rollout and a stalled engine within the first minute, an
agent that runs away after four, and harmless look-alikes between them."""
