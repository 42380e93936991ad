"""The life of a long-running command: until a signal or its time, then everything is undone."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Life:
    """Ends when a signal says so or the time is over; then undoes what was started, in reverse."""

    for_seconds: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _undo: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def then(self, name: str, undo: Callable[[], object]) -> None:
        """Remember how to undo what has just been started."""
        self._undo.append((name, undo))

    def wait(self) -> None:
        """Return when it is time to stop."""
        self.ended.wait(self.for_seconds)

    def undo(self) -> None:
        """Stop everything; one thing that fails to stop does not keep the others running."""
        while self._undo:
            name, undo = self._undo.pop()
            try:
                undo()
            except Exception:
                log.exception("could not stop", what=name)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.ended.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.ended.set()


@contextlib.contextmanager
def living(for_seconds: float | None) -> Iterator[Life]:
    """A life that ends by signal; whatever happens inside, what was started is stopped."""
    life = Life(for_seconds)
    before = {one: signal.signal(one, life._end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield life
    finally:
        life.undo()
        for number, handler in before.items():
            signal.signal(number, handler)


def say(line: str) -> None:
    """A line for the person at the terminal; data alone goes to stdout."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def elapsed(began: float) -> str:
    """Seconds since *began* as a person reads them."""
    return f"{time.monotonic() - began:.1f} s"
