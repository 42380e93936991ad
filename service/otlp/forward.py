"""What our receiver took, sent on to another OTLP endpoint; never in the way of our own answer.

Bodies wait in memory, bounded in bytes, and a thread of its own sends them: a peer that is down,
slow or refusing costs what does not fit, the oldest first, and every loss is counted. Bodies are
never written to disk here, because until they are stripped they may hold what people wrote.

A request that comes back to us is not sent on again: each resource is marked with who sent it on,
and the mark survives every collector on the way.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import structlog
from google.protobuf.message import Message

from service.otlp.content import without_content
from service.otlp.limits import Limits
from service.otlp.streams import METRICS, Stream
from service.otlp.wire import Buffer, decode
from service.otlp_send import Answer, Sender, Verdict
from vocabulary.errors import RequestRefused
from vocabulary.metrics import OTLP_FORWARDED
from vocabulary.samples import Sample, Series, labels_of

log = structlog.get_logger(__name__)
_LOST = ("no room", "refused", "given up", "unreadable", "broken")
MARK = "tidegauge.forwarded_by"
"""Attribute of a resource: ids of the servers that sent it on, separated by commas."""


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """Where received spans and metrics are sent on to, and what of them."""

    endpoint: str = ""
    """OTLP endpoint to send on to, for example `http://collector:4317`; empty sends nothing on."""
    protocol: str = "grpc"
    """Protocol of that endpoint: grpc or http."""
    token_file: str = ""
    """File with the bearer token sent to it."""
    headers: str = ""
    """Further headers, `NAME=VALUE`, separated by commas."""
    ca_file: str = ""
    """Certificates (PEM) to trust there, instead of the system's."""
    content: bool = False
    """Send on prompts, completions and all other text too, instead of dropping them."""
    max_queued_mib: float = 32.0
    """MiB of bodies that may wait. Our judgement: minutes of a busy server's spans."""
    pause_seconds: float = 5.0
    """Shortest pause after a failure, doubled each time. The Collector's default."""
    longest_pause_seconds: float = 30.0
    """Longest pause between two attempts. The Collector's default."""
    attempts: int = 15
    """Attempts at one request before the next has its turn: about six minutes, little more than
    the Collector's five, so that one poisoned request does not hold up the others for ever."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    stream: Stream
    body: bytes


class Forward:
    """Sends on what it is offered, in order, from a thread of its own.

    Args:
        sender: Carries the bodies; closed with this.
        settings: Bounds and pauses.
        own_id: Who we are among those that send on; unique to this process.
        limits: What a body may cost to decode.
    """

    def __init__(
        self, sender: Sender, settings: ForwardSettings, own_id: str, limits: Limits | None = None
    ) -> None:
        self.decoding = threading.Lock()
        """Held while a body is decoded, by us or the receiver: one at a time bounds memory."""
        self._sender, self._settings, self._own_id = sender, settings, own_id
        self._limits = limits or Limits()
        self._room = int(settings.max_queued_mib * 2**20)
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._counts: Counter[str] = Counter()
        self._failing = ""
        self._closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="otlp forward", daemon=True)
        self._thread.start()

    def offer(self, stream: Stream, body: Buffer) -> None:
        """Queue one request that was taken; never waits, and drops the oldest for want of room."""
        one = _Waiting(stream, bytes(body))
        with self._wake:
            self._queue.append(one)
            self._bytes += len(one.body)
            while self._bytes > self._room and len(self._queue) > 1:
                self._bytes -= len(self._queue.popleft().body)
                self._counts["no room"] += 1
            self._wake.notify()

    def own_samples(self, now: float) -> list[Sample]:
        """Requests by what became of them, as samples of the moment *now*."""
        with self._wake:
            counts = dict(self._counts)
        return [
            Sample(Series(OTLP_FORWARDED.name, labels_of({"outcome": outcome})), float(many), now)
            for outcome, many in sorted(counts.items())
        ]

    def trouble(self) -> str:
        """What is wrong now, in a sentence; empty when nothing is."""
        with self._wake:
            if not self._failing:
                return ""
            lost = sum(self._counts[one] for one in _LOST)
            return (
                f"otlp_forward does not go through ({self._failing}): "
                f"{len(self._queue)} requests wait, {lost} were lost so far"
            )

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Send what waits while that works and time allows, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout_seconds)
        self._sender.close()
        self._thread.join(1.0)

    def _run(self) -> None:
        while (one := self._next()) is not None:
            try:
                outcome = self._deliver(one)
            except Exception as error:  # a broken body or sender must not end the thread
                log.exception("could not send on", what=one.stream.name)
                outcome, self._failing = "broken", type(error).__name__
            with self._wake:
                if self._queue and self._queue[0] is one:
                    self._queue.popleft()
                    self._bytes -= len(one.body)
                    self._counts[outcome] += 1

    def _next(self) -> _Waiting | None:
        """The oldest request, left in its place; None when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing)
            return self._queue[0] if self._queue else None

    def _deliver(self, one: _Waiting) -> str:
        """What became of *one*, in a word or two."""
        try:
            with self.decoding:
                body = outgoing(
                    one.stream, one.body, self._own_id, self._limits,
                    content=self._settings.content,
                )  # fmt: skip
        except RequestRefused:  # the receiver read it piece by piece; whole it is too much
            return "unreadable"
        if not body:
            return "came back"
        pause = self._settings.pause_seconds
        for attempt in range(1, self._settings.attempts + 1):
            answer = self._sender.send(one.stream, body)
            self._note(one.stream, answer)
            if answer.verdict is Verdict.TAKEN:
                return "sent"
            if answer.verdict is Verdict.REFUSED:
                return "refused"
            last = attempt == self._settings.attempts
            if last or self._over(one, max(pause, answer.wait_seconds)):
                break
            pause = min(2 * pause, self._settings.longest_pause_seconds)
        return "given up"

    def _over(self, one: _Waiting, seconds: float) -> bool:
        """Wait; gives whether there is no point in another attempt at *one*."""

        def gone() -> bool:
            return self._closing or not self._queue or self._queue[0] is not one

        with self._wake:
            self._wake.wait_for(gone, seconds)
            return gone()

    def _note(self, stream: Stream, answer: Answer) -> None:
        with self._wake:
            if answer.rejected:
                self._counts["sent in part"] += 1
            failed = answer.verdict is not Verdict.TAKEN
            self._counts["failed attempt"] += failed
            self._failing = answer.why if failed else ""
        if failed or answer.rejected:
            log.warning("OTLP not sent on in full", what=stream.name, why=answer.why)


def outgoing(stream: Stream, body: bytes, own_id: str, limits: Limits, *, content: bool) -> bytes:
    """*body* as it is sent on: marked, stripped unless *content*, less what we sent on before.

    Empty when nothing is left of it.

    Raises:
        RequestRefused: Decoding it would cost more than the limits allow.
    """
    request: Any = decode(body, stream.request, limits)
    groups = request.resource_metrics if stream is METRICS else request.resource_spans
    fresh = [one for one in groups if own_id not in _senders(one.resource)]
    if len(fresh) < len(groups):
        kept = [_copy(one) for one in fresh]
        del groups[:]
        groups.extend(kept)
    for one in groups:
        _mark(one.resource, own_id)
    if not content:
        without_content(request)
    return bytes(request.SerializeToString()) if groups else b""


def _copy(message: Message) -> Message:
    made = type(message)()
    made.CopyFrom(message)
    return made


def _senders(resource: Any) -> list[str]:
    """Ids of the servers that sent it on before."""
    for pair in resource.attributes:
        if pair.key == MARK:
            return str(pair.value.string_value).split(",")
    return []


def _mark(resource: Any, own_id: str) -> None:
    senders = [*_senders(resource), own_id]
    others = [_copy(pair) for pair in resource.attributes if pair.key != MARK]
    del resource.attributes[:]
    resource.attributes.extend(others)
    resource.attributes.add(key=MARK).value.string_value = ",".join(senders)[-_MARK_LENGTH:]


_MARK_LENGTH = 240
"""Of the mark, so that a chain of servers cannot make it grow; a loop shows within a dozen."""
