"""The agent's changes to an OTLP endpoint, as log events: told at least once, counted once.

What waits is kept in a file too, so that neither an agent's restart nor an hour without a server
loses it. A change bears an id, or time and words of its own, by which the receiver knows it when it
comes twice.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord

from service.otlp.streams import LOGS
from service.otlp_send import Sender, Verdict
from service.whole_files import write_whole
from vocabulary.change_events import EVENT_NAME, bounded, change_attributes, change_of
from vocabulary.entities import Change
from vocabulary.metrics import SAMPLES_DROPPED
from vocabulary.samples import Sample, Series

log = structlog.get_logger(__name__)
SPOOL_FILE = "changes-to-send.json"
SPOOL_VERSION = 1


class ChangeExport:
    """Sends what it is offered, in order, from a thread of its own."""

    def __init__(
        self,
        sender: Sender,
        about: Mapping[str, str],
        spool: Path | None = None,
        *,
        max_queued: int = 2000,
        batch: int = 200,
        pause_seconds: float = 2.0,
        longest_pause_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """*max_queued* changes (about 1 MB) wait at most; the oldest go first. They are tried until
        they are taken, *pause_seconds* apart and then ever rarer. *spool* is the file they wait in.
        """  # noqa: D205 - one sentence does not hold it
        self.sent, self.dropped = 0, 0
        self._sender, self._about, self._spool = sender, dict(about), spool
        self._max_queued, self._batch = max_queued, batch
        self._pause, self._longest = pause_seconds, longest_pause_seconds
        self._monotonic = monotonic
        self._queue = _read(spool) if spool is not None else []
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="OTLP changes", daemon=True)
        self._thread.start()

    def offer(self, changes: Sequence[Change]) -> None:
        """Queue *changes*, in the file too when this returns; the oldest go where room is short."""
        if not changes:
            return
        with self._wake:
            self._queue.extend(changes)
            if (over := len(self._queue) - self._max_queued) > 0:
                del self._queue[:over]
                self.dropped += over
            self._write()
            self._wake.notify()

    def waiting(self) -> int:
        """How many are not taken yet."""
        with self._wake:
            return len(self._queue)

    def report(self, now: float) -> list[Sample]:
        """What the export says about itself, as samples of the moment *now*."""
        series = Series(SAMPLES_DROPPED.name, (("limit", "otlp_changes"),))
        return [Sample(series, float(self.dropped), now)]

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Try once more what waits, then stop; what is not taken stays in the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_seconds)
        self._sender.close()
        self._thread.join(1.0)

    def _run(self) -> None:
        pause = self._pause
        while batch := self._next():
            wait = self._try(batch)
            with self._wake:
                if wait is None:
                    pause = self._pause
                    gone = {id(one) for one in batch}
                    self._queue = [one for one in self._queue if id(one) not in gone]
                    self._write()
                elif self._closing:
                    return
                else:
                    self._wake.wait_for(lambda: self._closing, max(pause, wait))
                    pause = min(2.0 * pause, self._longest)

    def _next(self) -> list[Change]:
        """The oldest, left in their place; none when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing)
            return self._queue[: self._batch]

    def _try(self, batch: Sequence[Change]) -> float | None:
        """None when this batch is done with, taken or refused for good; else how many seconds the
        endpoint asks us to wait.
        """  # noqa: D205 - one sentence does not hold it
        try:
            body = as_request(batch, self._about).SerializeToString()
            answer = self._sender.send(LOGS, body)
        except Exception as error:  # noqa: BLE001 - a broken sender must not end the thread
            log.warning("sending changes failed", why=type(error).__name__, changes=len(batch))
            return 0.0  # no traceback: its frames hold the token
        if answer.verdict is Verdict.AGAIN:
            log.warning("changes wait to be sent", why=answer.why, changes=self.waiting())
            return answer.wait_seconds
        lost = answer.rejected if answer.verdict is Verdict.TAKEN else len(batch)
        if lost:
            log.warning("changes were not kept by the endpoint", why=answer.why, changes=lost)
        with self._wake:
            self.sent += len(batch) - lost
            self.dropped += lost
        return None

    def _write(self) -> None:
        """The file as the queue is now; a full disk costs the file, never the sending."""
        if self._spool is None:
            return
        waiting = [{"at": one.at, **change_attributes(one)} for one in self._queue]
        try:
            write_whole(self._spool, {"version": SPOOL_VERSION, "changes": waiting})
        except OSError as error:
            log.warning("waiting changes are kept in memory only", why=error.strerror)


def as_request(changes: Sequence[Change], about: Mapping[str, str]) -> ExportLogsServiceRequest:
    """*changes* as log records of a resource that *about* describes."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(_attributes(about))
    scoped = group.scope_logs.add()
    scoped.scope.name = "tidegauge"
    for one in map(bounded, changes):
        scoped.log_records.append(
            LogRecord(
                time_unix_nano=max(0, round(one.at * 1e6) * 1000),
                severity_number=SEVERITY_NUMBER_INFO,
                event_name=EVENT_NAME,
                body=AnyValue(string_value=one.what),
                attributes=_attributes(change_attributes(one)),
            )
        )
    return request


def _attributes(said: Mapping[str, str]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(string_value=value))
        for key, value in said.items()
        if value
    ]


def _read(file: Path) -> list[Change]:
    """What an earlier life could not send; a broken or foreign file is let go with a warning."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        if body["version"] == SPOOL_VERSION:
            return [change_of(one, float(one["at"])) for one in body["changes"]]
        log.warning("changes that waited are of another version", file=str(file))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("changes that waited cannot be read", file=str(file), why=str(error)[:200])
    return []
