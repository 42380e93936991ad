"""The agent's samples to any OTLP endpoint, through OpenTelemetry's own exporters.

Reading never waits for sending: samples are offered to a bounded queue and a thread of its own
sends them. What is lost is counted. Counters and histograms are cumulative, so that an export lost
today heals with the next one; only gauges have a gap.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from opentelemetry.sdk.metrics import export as sdk

from service.otlp_points import Beginnings, as_otlp
from vocabulary.errors import ConfigError
from vocabulary.metrics import SAMPLES_DROPPED
from vocabulary.samples import Sample, Series

log = structlog.get_logger(__name__)


class Exporter(Protocol):
    """What we need of an OpenTelemetry metric exporter."""

    def export(self, metrics_data: sdk.MetricsData, timeout_millis: float = ...) -> object:
        """Send, retrying what may be retried; SUCCESS or FAILURE."""
        ...

    def shutdown(self, timeout_millis: float = ...) -> None:
        """End what is being retried."""
        ...


@dataclass(slots=True)
class Tally:
    """What became of the samples so far."""

    sent: int = 0
    failures: int = 0
    """Exports that failed, retried ones included."""
    dropped: int = 0
    """Samples given up: the queue was full, or every attempt failed."""


class OtlpExport:
    """Sends what it is offered, in order, from a thread of its own."""

    def __init__(
        self,
        endpoint: str,
        protocol: str = "grpc",
        headers: Mapping[str, str] | None = None,
        *,
        max_queued: int = 200_000,
        attempts: int = 5,
        pause_seconds: float = 5.0,
        timeout_seconds: float = 10.0,
        exporter: Exporter | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """*max_queued* samples (about 25 MB) wait at most; the oldest go first. A batch is tried
        *attempts* times, *pause_seconds* apart, beyond what the exporter itself retries within
        *timeout_seconds*.

        Raises:
            ConfigError: The protocol is neither grpc nor http.
        """  # noqa: D205 - one sentence does not hold it
        self.tally = Tally()
        self._exporter = exporter or _exporter(endpoint, protocol, headers or {}, timeout_seconds)
        self._max_queued, self._attempts, self._pause = max_queued, attempts, pause_seconds
        self._monotonic = monotonic
        self._queue: deque[tuple[Sample, ...]] = deque()
        self._queued = 0
        self._beginnings = Beginnings()
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
        series = Series(SAMPLES_DROPPED.name, (("limit", "otlp_export"),))
        return [Sample(series, float(self.tally.dropped), now)]

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Send what is queued while that works and time allows, then stop."""
        until = self._monotonic() + timeout_seconds
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_seconds)
        self._exporter.shutdown(max(0.0, until - self._monotonic()) * 1000)
        self._thread.join(1.0)

    def _run(self) -> None:
        tried = 0
        while (batch := self._next()) is not None:
            sent = self._send(batch)
            tried = 0 if sent else tried + 1
            with self._wake:
                settled = sent or tried >= self._attempts or self._closing
                if settled and self._queue and self._queue[0] is batch:
                    self._queue.popleft()
                    self._queued -= len(batch)
                    self.tally.dropped += 0 if sent else len(batch)
                if settled:
                    tried = 0
                else:
                    self._wake.wait_for(lambda: self._closing, self._pause)

    def _next(self) -> tuple[Sample, ...] | None:
        """The oldest batch, left in its place; None when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing)
            return self._queue[0] if self._queue else None

    def _send(self, batch: tuple[Sample, ...]) -> bool:
        why = "the endpoint did not take it"
        result: object = None
        try:
            result = self._exporter.export(as_otlp(batch, self._beginnings))
        except Exception as error:  # noqa: BLE001 - a broken exporter must not end the thread
            why = f"{type(error).__name__}: {error}"  # no traceback: its frames hold the token
        if result is sdk.MetricExportResult.SUCCESS:
            self.tally.sent += len(batch)
            self._beginnings.forget(max((one.at for one in batch), default=0.0))
            return True
        self.tally.failures += 1
        log.warning("OTLP export failed", why=why, samples=len(batch))
        return False


def _exporter(
    endpoint: str, protocol: str, headers: Mapping[str, str], timeout_seconds: float
) -> Exporter:
    """OpenTelemetry's own exporter; https:// in the endpoint means TLS, http:// none."""
    if protocol == "grpc":
        import grpc  # type: ignore[import-untyped]
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as over_grpc

        return over_grpc.OTLPMetricExporter(
            endpoint=endpoint,
            headers={name.lower(): value for name, value in headers.items()},
            timeout=timeout_seconds,
            compression=grpc.Compression.Gzip,
        )
    if protocol == "http":
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http import metric_exporter as over_http

        path = "/v1/metrics"
        return over_http.OTLPMetricExporter(
            endpoint=endpoint if endpoint.endswith(path) else endpoint.rstrip("/") + path,
            headers=dict(headers),
            timeout=timeout_seconds,
            compression=Compression.Gzip,
        )
    raise ConfigError(f"otlp_protocol must be grpc or http, and is {protocol!r}")
