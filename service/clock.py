"""Clocks: the wall, a simulated one that may run faster, and one that tests move by hand."""

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


class SimulatedClock:
    """Time that starts at *start* and runs *speed* times as fast as the wall."""

    def __init__(self, start: float, speed: float) -> None:
        self.speed = speed
        self._start = start
        self._origin = time.monotonic()

    def now(self) -> float:
        """Simulated Unix seconds."""
        return self._start + (time.monotonic() - self._origin) * self.speed

    def monotonic(self) -> float:
        """Simulated seconds that never go back."""
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Wait until *seconds* of simulated time have passed."""
        time.sleep(max(0.0, seconds) / self.speed)


class ManualClock:
    """Time that stands still until it is moved; for drills, backtests and tests."""

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
