"""Calls that may hang in a driver: made in threads of their own, and given up on in time."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vocabulary.errors import SourceHung

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Calls(Generic[Answer]):
    """Runs one call at a time for each name, all names beside each other.

    A thread stuck in a C call cannot be stopped, only left behind; its name is hung until it comes
    back, and is not called again before, so that a sick device costs one thread and no more.
    """

    _running: dict[str, threading.Thread] = field(default_factory=dict)

    def run(
        self, calls: Mapping[str, Callable[[], Answer]], seconds: float
    ) -> dict[str, Answer | Exception]:
        """What each call gave, or the exception it ended with: SourceHung after *seconds*."""
        answers: dict[str, Answer | Exception] = {}
        started: dict[str, threading.Thread] = {}
        for name, call in calls.items():
            before = self._running.get(name)
            if before is None or not before.is_alive():
                started[name] = self._running[name] = _started(name, call, answers)
        deadline = time.monotonic() + seconds
        for thread in started.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        finished = dict(answers)  # a copy, because left threads may still write
        for name in calls:
            if name not in finished:
                earlier = "" if name in started else " (in an earlier call)"
                finished[name] = SourceHung(f"{name} did not answer in {seconds:g} s{earlier}")
        return {name: finished[name] for name in calls}


def _started(
    name: str, call: Callable[[], Answer], answers: dict[str, Answer | Exception]
) -> threading.Thread:
    def work() -> None:
        try:
            answers[name] = call()
        except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what to do
            answers[name] = error

    thread = threading.Thread(target=work, name=f"call {name}", daemon=True)
    thread.start()
    return thread
