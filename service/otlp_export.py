"""The agent's samples to any OTLP endpoint, encoded by ourselves.

Reading never waits for sending: samples are offered to a bounded queue and a thread of its own
sends them. What is lost is counted. Counters and histograms are cumulative, so that an export lost
today heals with the next one; only gauges have a gap.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from service.otlp.streams import METRICS
from service.otlp_points import Encoder
from service.otlp_send import Answer, Sender, Verdict
from vocabulary.metrics import SAMPLES_DROPPED
from vocabulary.samples import Sample, Series

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What became of the samples so far."""

    sent: int = 0
    failures: int = 0
    """Exports that failed, retried ones included."""
    dropped: int = 0
    """Samples given up: the queue was full, the endpoint refused them, or every attempt failed."""
    rejected: int = 0
    """Data points that the endpoint left out of what it took (partial success)."""


class OtlpExport:
    """Sends what it is offered, in order, from a thread of its own."""

    def __init__(
        self,
        sender: Sender,
        *,
        max_queued: int = 200_000,
        attempts: int = 5,
        pause_seconds: float = 5.0,
    ) -> None:
        """*max_queued* samples (about 25 MB) wait at most; the oldest go first. A batch is tried
        *attempts* times, *pause_seconds* apart or as long as the endpoint asks, if that is longer.
        """  # noqa: D205 - one sentence does not hold it
        self.tally = Tally()
        self._sender = sender
        self._max_queued, self._attempts, self._pause = max_queued, attempts, pause_seconds
        self._queue: deque[tuple[Sample, ...]] = deque()
        self._queued = 0
        self._encoder = Encoder()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="otlp export", daemon=True)
        self._thread.start()

    def offer(self, samples: Sequence[Sample]) -> None:
        """Queue *samples*; never waits, and drops the oldest when there is no room."""
        if not samples:
            return
        with self._wake:
            self._queue.append(tuple(samples))
            self._queued += len(samples)
            while self._queued > self._max_queued:
                gone = self._queue.popleft()
                self._queued -= len(gone)
                self.tally.dropped += len(gone)
            self._wake.notify()

    def report(self, now: float) -> list[Sample]:
        """What the export says about itself, as samples of the moment *now*."""
        lost = (("otlp_export", self.tally.dropped), ("otlp_export_rejected", self.tally.rejected))
        return [
            Sample(Series(SAMPLES_DROPPED.name, (("limit", limit),)), float(count), now)
            for limit, count in lost
        ]

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Send what is queued while that works and time allows, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_seconds)
        self._sender.close()
        self._thread.join(1.0)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            sent = self._deliver(batch)
            with self._wake:
                if self._queue and self._queue[0] is batch:
                    self._queue.popleft()
                    self._queued -= len(batch)
                    self.tally.dropped += 0 if sent else len(batch)
                self.tally.sent += len(batch) if sent else 0

    def _next(self) -> tuple[Sample, ...] | None:
        """The oldest batch, left in its place; None when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing)
            return self._queue[0] if self._queue else None

    def _deliver(self, batch: tuple[Sample, ...]) -> bool:
        """Whether all of *batch* was taken, after as many attempts as there may be."""
        for body in self._encoder.encode(batch):
            for attempt in range(1, self._attempts + 1):
                answer = self._send(body, len(batch))
                if answer.verdict is Verdict.TAKEN:
                    break
                if answer.verdict is Verdict.REFUSED or attempt == self._attempts:
                    return False
                if self._no_longer(batch, max(self._pause, answer.wait_seconds)):
                    return False
        return True

    def _no_longer(self, batch: tuple[Sample, ...], seconds: float) -> bool:
        """Wait; gives whether there is no point in another attempt."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing, seconds)
            return self._closing or not self._queue or self._queue[0] is not batch

    def _send(self, body: bytes, samples: int) -> Answer:
        try:
            answer = self._sender.send(METRICS, body)
        except Exception as error:  # noqa: BLE001 - a broken sender must not end the thread
            answer = Answer(Verdict.AGAIN, f"{type(error).__name__}: {error}")
        if answer.verdict is Verdict.TAKEN:
            self.tally.rejected += answer.rejected
            if answer.rejected:
                log.warning("OTLP export taken in part", why=answer.why, points=answer.rejected)
        else:
            self.tally.failures += 1
            log.warning("OTLP export failed", why=answer.why, samples=samples)
        return answer
