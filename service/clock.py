"""Clocks: the wall, and one that is moved from tick to tick (demo, drills, tests)."""

import threading
import time


class WallClock:
    """The time of this machine."""

    def now(self) -> float:
        """Unix seconds UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """Time that stands still until it is moved: it never runs away from a loop that is slow."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """The moment it was last moved to."""
        return self._now

    def monotonic(self) -> float:
        """As `now`."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by *seconds* at once."""
        self.move_to(self._now + max(0.0, seconds))

    def move_to(self, moment: float) -> None:
        """Jump to *moment*."""
        with self._lock:
            self._now = moment
