"""What people wrote, taken out of spans and metrics before they are sent on.

By permission, not by prohibition: numbers pass, and text under names that the vocabulary knows to
hold none of it. A prompt under a name nobody has thought of stays behind like one under a known.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from service.otlp.attributes import MAX_TEXT
from vocabulary import otel

_NUMBERS = frozenset({"int_value", "double_value", "bool_value"})
_KEPT_EVENT = "exception"
"""Of events only this one is sent on, with its type: the others of GenAI are messages."""


def without_content(request: Message) -> None:
    """Take everything that may be prose out of *request*, spans or metrics, in place."""
    if isinstance(request, ExportTraceServiceRequest):
        for group in request.resource_spans:
            for scoped in group.scope_spans:
                for span in scoped.spans:
                    _strip_span(span)
    for bearer in _bearers(request):
        kept = [pair for pair in bearer if _harmless(pair.key, pair.value)]
        if len(kept) < len(bearer):
            del bearer[:]
            bearer.extend(kept)


def _strip_span(span: Any) -> None:
    span.status.message = ""
    if len(span.name) > MAX_TEXT:
        span.name = span.name[:MAX_TEXT]
    kept = [event for event in span.events if event.name == _KEPT_EVENT]
    if len(kept) < len(span.events):
        del span.events[:]
        span.events.extend(kept)


def _bearers(request: Message) -> Iterator[Any]:
    """Every list of attributes in *request*."""
    if isinstance(request, ExportTraceServiceRequest):
        for group in request.resource_spans:
            yield group.resource.attributes
            for scoped in group.scope_spans:
                yield scoped.scope.attributes
                for span in scoped.spans:
                    yield span.attributes
                    yield from (event.attributes for event in span.events)
                    yield from (link.attributes for link in span.links)
    elif isinstance(request, ExportMetricsServiceRequest):
        for measured in request.resource_metrics:
            yield measured.resource.attributes
            for under in measured.scope_metrics:
                yield under.scope.attributes
                for metric in under.metrics:
                    yield metric.metadata
                    yield from _of_points(metric)


def _of_points(metric: Any) -> Iterator[Any]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points if kind else ():
        yield point.attributes
        for exemplar in getattr(point, "exemplars", ()):
            yield exemplar.filtered_attributes


def _harmless(key: str, value: AnyValue) -> bool:
    kind = value.WhichOneof("value")
    if kind in _NUMBERS:
        return True
    if not otel.holds_no_prose(key):
        return False
    if kind == "array_value":
        return all(_harmless(key, one) for one in value.array_value.values)
    return kind == "string_value" and len(value.string_value) <= MAX_TEXT
