"""Calls that may hang in a driver: made in threads of their own, and given up on in time."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from vocabulary.errors import SourceHung

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 0.02
"""How long nothing may be answered before another worker takes over the calls that wait. A healthy
GPU answers everything in a few milliseconds; our judgement."""
IDLE_SECONDS = 60.0
"""A worker without work ends after this; agents ask at least every minute. Our judgement."""


@dataclass(slots=True)
class Calls(Generic[Answer]):
    """Runs one call at a time for each name, and waits for none that hangs.

    One worker makes the calls one after another, round after round, which costs a hand-over a
    round instead of a thread a call. Where it gets stuck, another one goes on with the rest: a
    thread stuck in a C call cannot be stopped, only left behind. Its name is hung until it comes
    back, and is not called again before, so that a sick device costs one thread and no more.
    """

    _running: set[str] = field(default_factory=set)
    _idle: "list[_Worker]" = field(default_factory=list)

    def run(
        self, calls: Mapping[str, Callable[[], Answer]], seconds: float
    ) -> dict[str, Answer | Exception]:
        """What each call gave, or the exception it ended with: SourceHung after *seconds*."""
        begun = [name for name in calls if name not in self._running]
        batch = _Batch(self._running, deque((name, calls[name]) for name in begun), len(begun))
        if begun:
            self._await(batch, seconds)
        finished = dict(batch.answers)  # a copy, because workers left behind may still write
        for name in calls:
            if name not in finished:
                earlier = "" if name in begun else " (in an earlier call)"
                finished[name] = SourceHung(f"{name} did not answer in {seconds:g} s{earlier}")
        return {name: finished[name] for name in calls}

    def _await(self, batch: "_Batch[Answer]", seconds: float) -> None:
        """Let workers make the calls of *batch* until all are answered or *seconds* are over."""
        deadline, answered = time.monotonic() + seconds, 0
        self._hire(batch)
        while (left := deadline - time.monotonic()) > 0.0:
            try:
                batch.done.get(timeout=min(left, PATIENCE_SECONDS) if batch.waiting else left)
            except Empty:
                if len(batch.answers) == answered and batch.waiting:
                    self._hire(batch)
                answered = len(batch.answers)
            else:
                return
        batch.waiting.clear()

    def _hire(self, batch: "_Batch[Answer]") -> None:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._idle)
            threading.Thread(target=worker.work, name="calls", daemon=True).start()
        worker.inbox.put(batch.work)


@dataclass(slots=True)
class _Batch(Generic[Answer]):
    """The calls of one run, which any number of workers take from."""

    running: set[str]
    """Names that are being called, in this run or in an earlier one."""
    waiting: deque[tuple[str, Callable[[], Answer]]]
    wanted: int
    """Answers that make the run complete."""
    answers: dict[str, Answer | Exception] = field(default_factory=dict)
    done: SimpleQueue[None] = field(default_factory=SimpleQueue)
    """Told once, with the last answer."""

    def work(self) -> None:
        """Make calls until none waits."""
        while self.waiting:
            try:
                name, call = self.waiting.popleft()
            except IndexError:  # another worker was quicker
                return
            self.running.add(name)
            try:
                answer: Answer | Exception = call()
            except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what to do
                answer = error
            self.running.discard(name)
            self.answers[name] = answer
            if len(self.answers) == self.wanted:
                self.done.put(None)


@dataclass(slots=True, eq=False)
class _Worker:
    """A thread that makes the calls of one batch after another, and ends when there are none."""

    idle: "list[_Worker]"
    """Where it is found when it has nothing to do."""
    inbox: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)

    def work(self) -> None:
        """Work until nothing came for a while."""
        while True:
            try:
                self.inbox.get(timeout=IDLE_SECONDS)()
            except Empty:
                try:
                    self.idle.remove(self)
                except ValueError:  # taken a moment ago: its work is on the way
                    continue
                return
            self.idle.append(self)
