"""Everything on one machine: one loop that reads, stores, meters, judges and notifies.

Each turn of the loop belongs to one moment, aligned to the interval. Under the wall clock the loop
waits for the moment to come; in the demo the moments follow each other `speed` times as fast, and
a turn that is slow delays the next instead of leaving a gap.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from service.agent import Agent
from service.pipeline import Pipeline
from vocabulary.contracts import Clock
from vocabulary.incidents import Incident

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pace:
    """When the next moment is due, in wall seconds."""

    interval: float
    clock: Clock
    speed: float = 1.0
    simulated: bool = False
    _due: float = field(default_factory=time.monotonic)

    def next(self, stop: threading.Event) -> float | None:
        """Wait for the next moment and give it; None when told to stop."""
        if self.simulated:
            moment = _aligned(self.clock.now(), self.interval)
            self._due = max(self._due + self.interval / self.speed, time.monotonic() - 1.0)
            if stop.wait(max(0.0, self._due - time.monotonic())):
                return None
            return moment
        moment = _aligned(self.clock.now(), self.interval)
        return None if stop.wait(max(0.0, moment - self.clock.now())) else moment


def _aligned(now: float, interval: float) -> float:
    """The first multiple of *interval* after *now*."""
    return (math.floor(now / interval) + 1) * interval


@dataclass(slots=True)
class Loop:
    """Turns of agent and pipeline until told to stop."""

    pace: Pace
    agent: Agent
    pipeline: Pipeline
    before: Callable[[float], None] = lambda _: None
    """Called with each moment before it is read: the demo moves its world on."""
    after: Callable[[float, Sequence[Incident]], None] = lambda _moment, _changed: None
    """Called with the incidents that changed in this turn."""
    agent_up: Callable[[], bool] = lambda: True
    """False while the agent is cut off and reads nothing: the demo's scrape gaps."""
    lag: float = 0.0
    """Seconds the judged moment lies behind the one that is read: for samples under way."""
    stop: threading.Event = field(default_factory=threading.Event)
    failed: str = ""
    """Why the last turn failed; empty when it did not."""
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to turn in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()

    def finish(self, timeout_seconds: float = 4.0) -> None:
        """Stop after the turn under way; a second call returns at once."""
        self.stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout_seconds)
            self.agent.close()

    def turn(self, moment: float) -> list[Incident]:
        """Everything that belongs to one moment."""
        self.before(moment)
        if self.agent_up():
            self.agent.round(moment)
        changed = self.pipeline.tick(moment - self.lag)
        self.after(moment, changed)
        return changed

    def _run(self) -> None:
        while not self.stop.is_set():
            moment = self.pace.next(self.stop)
            if moment is None:
                return
            try:
                self.turn(moment)
                self.failed = ""
            except Exception as error:  # the next turn may well succeed; the status page says so
                self.failed = f"{type(error).__name__}: {error}"
                log.exception("a turn failed", moment=moment)
