"""Many readings at once, of which the slow ones keep nobody waiting.

A few are under way at a time, since more would only fight for one processor. Whoever has not
answered soon leaves the lane, keeping nothing but its thread, and the next one begins. So a target
that hangs costs the others a moment, however many do, and no reading needs to be anything but
plain blocking code.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Lane(Generic[Answer]):
    """Runs named calls, one at a time for each name."""

    width: int = 16
    """Calls under way that have not become slow yet."""
    patience_seconds: float = 0.1
    """How long a call may take before it is slow and the next begins in its place. A page of
    5,000 lines takes 10 ms on loopback; our judgement."""
    most: int = 256
    """Threads in all: so many targets may hang at the same time before one has to wait."""
    monotonic: Callable[[], float] = time.monotonic
    _pool: ThreadPoolExecutor = field(init=False)
    _running: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.most, thread_name_prefix="read")

    def run(self, calls: Mapping[str, Callable[[], Answer]], seconds: float) -> dict[str, Answer]:
        """Answers of those that gave one within *seconds*, begun in the order of *calls*.

        Calls must not raise. One still running from an earlier time is not begun again, and its
        late answer is lost: those who asked were told that it hangs.
        """
        with self._lock:
            waiting = deque(name for name in calls if name not in self._running)
        answered: SimpleQueue[tuple[str, Answer]] = SimpleQueue()
        answers: dict[str, Answer] = {}
        quick: dict[str, float] = {}  # under way → when it becomes slow; the oldest first
        left = len(waiting)
        end = self.monotonic() + seconds
        while left and (now := self.monotonic()) < end:
            while quick and next(iter(quick.values())) <= now:
                del quick[next(iter(quick))]
            while waiting and len(quick) < self.width and self._begin(calls, waiting, answered):
                quick[waiting.popleft()] = now + self.patience_seconds
            until = min(end, next(iter(quick.values()), end)) if waiting else end
            try:
                name, answer = answered.get(timeout=max(0.001, until - now))
            except Empty:
                continue
            answers[name] = answer
            quick.pop(name, None)
            left -= 1
        return answers

    def close(self) -> None:
        """Let go of the threads without waiting for hung calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self,
        calls: Mapping[str, Callable[[], Answer]],
        waiting: deque[str],
        answered: "SimpleQueue[tuple[str, Answer]]",
    ) -> bool:
        """Begin the first that is *waiting*; False when every thread is taken."""
        name = waiting[0]
        with self._lock:
            if len(self._running) >= self.most:
                return False
            self._running.add(name)
        self._pool.submit(self._work, name, calls[name], answered)
        return True

    def _work(
        self, name: str, call: Callable[[], Answer], answered: "SimpleQueue[tuple[str, Answer]]"
    ) -> None:
        try:
            answer = call()
        finally:
            with self._lock:
                self._running.discard(name)
        answered.put((name, answer))
