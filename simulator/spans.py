"""What an application's own tracing tells of its agents: OpenTelemetry's GenAI spans, as OTLP.

Names and attributes are those of the semantic conventions for generative AI: `invoke_workflow`
around `invoke_agent`, and in it `chat` and `execute_tool`. The agent and its conversation stand on
the agent's span alone, as most instrumentations have it, and spans are told when they end.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from simulator.calls import Answer
from vocabulary import otel

Attributes = tuple[tuple[str, str | int], ...]
_NS = 1_000_000_000
_SCOPE = "opentelemetry.instrumentation.openai_v2"
_MOST = 20_000
"""Spans kept for whoever fetches them; older ones are lost, as in an exporter's queue."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands: its trace, itself and what it is in."""

    trace: bytes
    span: bytes
    above: bytes = b""


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has ended."""

    place: Place
    tenant: str
    """Whose application it is of."""
    name: str
    began: float
    ended: float
    attributes: Attributes
    error: str = ""
    client: bool = False


@dataclass(slots=True)
class SpanLog:
    """Spans that ended, until they are fetched."""

    waiting: "deque[Span]" = field(default_factory=lambda: deque(maxlen=_MOST))

    def add(self, span: Span) -> None:
        """A span has ended."""
        self.waiting.append(span)

    def fetch(self) -> list[Span]:
        """Those that ended since this was asked last."""
        found = list(self.waiting)
        self.waiting.clear()
        return found


def chat(place: Place, answer: Answer) -> Span:
    """One call of the model, as its caller saw it."""
    call = answer.call
    used: Attributes = ()
    if not answer.error:
        used = (
            (otel.RESPONSE_MODEL.name, answer.model),
            (otel.INPUT_TOKENS.name, answer.input_tokens),
            (otel.OUTPUT_TOKENS.name, answer.output_tokens),
            (otel.CACHE_READ_TOKENS.name, answer.cached_tokens),
        )
    attributes = (
        (otel.OPERATION.name, "chat"),
        (otel.PROVIDER.name, "openai"),
        (otel.REQUEST_MODEL.name, call.pool),
        *used,
    )
    times = call.at, max(call.at, answer.at)
    return Span(
        place, call.tenant, f"chat {call.pool}", *times, attributes, answer.error, client=True
    )


def tool(place: Place, tenant: str, began: float, seconds: float) -> Span:
    """One call of a tool."""
    attributes = ((otel.OPERATION.name, "execute_tool"), (otel.TOOL_NAME.name, "search"))
    return Span(place, tenant, "execute_tool search", began, began + seconds, attributes)


def agent(
    place: Place,
    tenant: str,
    named: tuple[str, str],
    times: tuple[float, float],
    error: str = "",
) -> Span:
    """What an agent did from the first of *times* to the last; *named* are it and its talk."""
    name, talk = named
    attributes = (
        (otel.OPERATION.name, "invoke_agent"),
        (otel.AGENT_NAME.name, name),
        (otel.CONVERSATION_ID.name, talk),
    )
    return Span(place, tenant, f"invoke_agent {name}", *times, attributes, error)


def workflow(
    place: Place, tenant: str, talk: str, times: tuple[float, float], error: str = ""
) -> Span:
    """The whole run, as the application that asked for it saw it."""
    attributes = (
        (otel.OPERATION.name, "invoke_workflow"),
        (otel.CONVERSATION_ID.name, talk),
    )
    return Span(place, tenant, "invoke_workflow", *times, attributes, error)


def exported(spans: Sequence[Span]) -> bytes:
    """*spans* as an ExportTraceServiceRequest, one resource an application."""
    request = ExportTraceServiceRequest()
    for tenant in sorted({one.tenant for one in spans}):
        group = ResourceSpans()
        group.resource.attributes.extend(
            _pairs((("service.name", f"{tenant}-agents"), ("tenant.id", tenant)))
        )
        scope = group.scope_spans.add()
        scope.scope.name = _SCOPE
        scope.spans.extend(_wire(one) for one in spans if one.tenant == tenant)
        request.resource_spans.append(group)
    return request.SerializeToString()


def _wire(span: Span) -> Wire:
    error = ((otel.ERROR_TYPE.name, span.error),) if span.error else ()
    code = Status.STATUS_CODE_ERROR if span.error else Status.STATUS_CODE_UNSET
    return Wire(
        trace_id=span.place.trace,
        span_id=span.place.span,
        parent_span_id=span.place.above,
        name=span.name,
        kind=Wire.SPAN_KIND_CLIENT if span.client else Wire.SPAN_KIND_INTERNAL,
        start_time_unix_nano=int(span.began * _NS),
        end_time_unix_nano=int(span.ended * _NS),
        attributes=_pairs((*span.attributes, *error)),
        status=Status(code=code),
    )


def _pairs(attributes: Iterable[tuple[str, str | int]]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=one) if isinstance(one, int) else AnyValue(string_value=one),
        )
        for key, one in attributes
    ]
