"""One receiver behind both doors: bytes in, records kept, an honest answer out.

An answer is given after the sinks have made what they were given durable. One thread decodes, one
body after the other, so that decoding never needs more memory than one body does; sinks may wait
for a disk at the same time.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from service.otlp.forward import Forward
from service.otlp.identity import Tenants
from service.otlp.limits import Limits
from service.otlp.logs import changes_in
from service.otlp.metrics import Metrics
from service.otlp.outcome import Outcome
from service.otlp.span_attributes import SpanAttributes
from service.otlp.spans import Spans
from service.otlp.streams import LOGS, METRICS, TRACES, Stream
from service.otlp.wire import Buffer, decode, decode_json
from vocabulary import metrics
from vocabulary.contracts import Clock
from vocabulary.entities import Change
from vocabulary.errors import RequestRefused, StoreError
from vocabulary.samples import Sample, Series, labels_of
from vocabulary.usage import UsageSpan


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where kept records go. Each returns once they are durable, and raises StoreError if not."""

    samples: Callable[[Sequence[Sample]], int]
    usage: Callable[[Sequence[UsageSpan]], int]
    changes: Callable[[Sequence[Change]], int]


_Reader = Callable[[Buffer, bool, float], tuple[Sequence[Any], Outcome]]
"""Records in a protobuf body of a sender who is believed or not, at a moment."""


class Receiver:
    """Takes OTLP requests from whoever the door let in. Safe to call from many threads."""

    def __init__(
        self,
        sinks: Sinks,
        clock: Clock,
        tenants: Tenants | None = None,
        limits: Limits | None = None,
        forward: Forward | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._forward = forward
        self._decoding = forward.decoding if forward else threading.Lock()
        self._clock = clock
        tenants = tenants or Tenants()
        spans = Spans(tenants, attributes=SpanAttributes(self.limits))
        self._ways: dict[str, tuple[_Reader, Callable[[Any], int]]] = {
            METRICS.name: (self._decoded(METRICS, Metrics(tenants).take), sinks.samples),
            TRACES.name: (spans.take, sinks.usage),
            LOGS.name: (self._decoded(LOGS, changes_in), sinks.changes),
        }
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="otlp-decoder")
        self._counting = threading.Lock()
        self._refused: Counter[str] = Counter()

    def take(self, stream: Stream, body: Buffer, believed: bool, as_json: bool = False) -> Message:
        """Decode, keep and answer one request.

        Raises:
            RequestRefused: The body breaks a rule; sending it again changes nothing.
            StoreError: It could not be kept; sending it again may help.
        """
        try:
            reading = self._decoder.submit(self._read, stream, body, believed, as_json)
            wire, records, outcome = reading.result()
        except RequestRefused as refusal:
            self.count(refusal.reason)
            raise
        self._keep(stream, records)
        if self._forward is not None and stream is not LOGS:
            self._forward.offer(stream, wire)
        for reason, many in outcome.refused.items():
            self.count(reason, many)
        return _answer(stream, outcome)

    def count(self, reason: str, many: int = 1) -> None:
        """Remember a refusal for the self-monitoring page."""
        with self._counting:
            self._refused[reason] += many

    def own_samples(self) -> list[Sample]:
        """What was refused so far, by reason, and what was sent on, as samples of our own."""
        now = self._clock.now()
        with self._counting:
            refused = dict(self._refused)
        forwarded = self._forward.own_samples(now) if self._forward else []
        return [
            *forwarded,
            *(
                Sample(Series(metrics.OTLP_REFUSED.name, labels_of({"reason": reason})), many, now)
                for reason, many in sorted(refused.items())
            ),
        ]

    def _read(
        self, stream: Stream, body: Buffer, believed: bool, as_json: bool
    ) -> tuple[Buffer, Sequence[Any], Outcome]:
        """The body in protobuf, and the records in it."""
        with self._decoding:
            if as_json:
                body = decode_json(body, stream.request, self.limits).SerializeToString()
            return body, *self._ways[stream.name][0](body, believed, self._clock.now())

    def _decoded(
        self, stream: Stream, take: Callable[[Any, bool, float], tuple[Sequence[Any], Outcome]]
    ) -> _Reader:
        """*take*, which wants a message, as a reader of bodies."""
        return lambda body, believed, now: take(
            decode(body, stream.request, self.limits), believed, now
        )

    def _keep(self, stream: Stream, records: Sequence[Any]) -> None:
        if not records:
            return
        try:
            self._ways[stream.name][1](records)
        except StoreError:
            self.count("store unavailable")
            raise


def _answer(stream: Stream, outcome: Outcome) -> Message:
    answer = stream.answer()
    if outcome.rejected:
        partial = answer.partial_success  # type: ignore[attr-defined]
        setattr(partial, stream.rejected, outcome.rejected)
        partial.error_message = outcome.message
    return answer
