"""How everyone asks for series, whatever keeps them."""

from collections.abc import Iterable
from typing import Protocol

from vocabulary.expressions import Signal
from vocabulary.samples import Frame, Sample


class Asking(Protocol):
    """Where series can be asked for: the embedded store or a Prometheus-compatible backend."""

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """*signal* at start, start + step, … up to and including end (Unix seconds).

        Raises:
            StoreUnreachable: The backend does not answer.
            StoreError: It answered with an error.
        """
        ...

    def newest(self) -> float | None:
        """Time of the newest sample, or None when there is none."""
        ...


class Recording(Asking, Protocol):
    """A store that also takes samples."""

    def append(self, samples: Iterable[Sample]) -> int:
        """Keep *samples*; durable against a kill of the process when it returns. Gives how many."""
        ...
