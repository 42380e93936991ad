"""A world in the middle of a working day."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from simulator.fault import Fault, Injection
from simulator.pods import Pod
from simulator.world import World

NOON = 1_795_608_000.0
"""2026-11-25 12:00 UTC, a Wednesday."""


@dataclass
class Watched:
    """A world, and what its counters did over a stretch of time."""

    world: World
    marks: dict[str, dict[str, float]] = field(default_factory=dict)

    def counts(self, pod: Pod) -> dict[str, float]:
        tally = pod.engine.tally
        return {
            "steps": tally.step_tokens.count,
            "generated": tally.generated_tokens,
            "preempted": tally.preemptions,
            "itl_sum": tally.between_tokens.total,
            "itl_count": tally.between_tokens.count,
            "ttft_sum": tally.to_first_token.total,
            "ttft_count": tally.to_first_token.count,
            "prompt": tally.prompt_tokens,
        }

    def mark(self) -> None:
        self.marks = {pod.uid: self.counts(pod) for pod in self.world.pods()}

    def over(self, seconds: float) -> dict[str, dict[str, float]]:
        """What each pod's counters did over the next *seconds*, by uid."""
        self.mark()
        self.world.advance(self.world.now + seconds)
        return {
            pod.uid: {
                name: value - self.marks[pod.uid][name] for name, value in self.counts(pod).items()
            }
            for pod in self.world.pods()
            if pod.uid in self.marks
        }

    def inject(self, fault: Fault) -> Injection:
        injection = self.world.inject(fault)
        self.world.advance(self.world.now + 1.0)
        return injection


def itl(counts: dict[str, float]) -> float:
    return counts["itl_sum"] / counts["itl_count"]


@pytest.fixture(name="watched")
def _watched() -> Watched:
    return Watched(World(7, NOON))


@pytest.fixture(name="new_world")
def _new_world() -> Callable[[int], World]:
    return lambda seed: World(seed, NOON)


@pytest.fixture(name="mean_itl")
def _mean_itl() -> Callable[[dict[str, float]], float]:
    return itl
