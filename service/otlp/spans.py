"""GenAI spans to usage: what a call used and whose it was, and nothing that anybody wrote.

Read from every instrumentation's spelling (vocabulary/otel.py). A span that wraps another of the
same kind, as a framework's chat around its client library's, is one call seen twice: the inner one
counts. Children end before their parents, so the inner one is always here first.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Official
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from service.otlp.attributes import clean
from service.otlp.identity import Tenants
from service.otlp.outcome import Outcome
from service.otlp.slim import Resource, Scope, Span
from service.otlp.span_attributes import SpanAttributes
from service.otlp.wire import Buffer, Pieces, weigh
from vocabulary import otel
from vocabulary.errors import RequestRefused
from vocabulary.usage import Caller, UsageBatch, UsageRow

AHEAD_SECONDS = 600.0
INFERENCE = frozenset(
    {
        "chat",
        "completion",
        "text_completion",
        "generate_content",
        "embeddings",
        "embedding",
        "responses",
        "image_generation",
        "rerank",
    }
)
"""Operations that reach a model. `invoke_agent`, `execute_tool` and the like only contain them."""
CALLERS = frozenset({"invoke_agent", "create_agent", "invoke_workflow"})
"""Operations that calls are made in, and whose spans say for whom."""
ENGINES = ("vllm", "sglang", "trtllm", "lmdeploy")
"""Beginnings of the scope names that engines trace themselves under."""
_NS = 1_000_000_000
_NO_TRACE = bytes(16)
_FAILED, _SERVER = int(Status.STATUS_CODE_ERROR), int(Official.SPAN_KIND_SERVER)
_SAID_BY_CALLERS = frozenset(otel.TENANT_IN_SPAN)

_Found = Mapping[str, Any]
"""As SpanAttributes reads it: text, and counts of tokens."""
_Key = tuple[str, bytes, bytes]
"""Vantage, trace and span: one vantage's span never wraps another's."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the spans of one resource and scope have in common."""

    resource: _Found
    tenant: str
    """Who is charged where the span itself names nobody who is believed."""
    vantage: str
    """Where they were seen; empty when the kind of the span decides."""
    engine: str


@dataclass(slots=True)
class Spans:
    """Turns export requests into usage; remembers which spans were found to wrap others."""

    tenants: Tenants
    gateways: frozenset[str] = frozenset({"litellm", "litellm-proxy", "ai-gateway"})
    """Service names of gateways: what they say was seen at the gateway, not in a client."""
    memory: int = 50_000
    """Wrapping spans remembered across requests; about 200 bytes each."""
    attributes: SpanAttributes = field(default_factory=SpanAttributes)
    _wraps: OrderedDict[_Key, None] = field(default_factory=OrderedDict)

    def take(self, body: Buffer, believed: bool, now: float) -> tuple[UsageBatch, Outcome]:
        """The usage in *body*, an ExportTraceServiceRequest in protobuf, and what was not kept.

        Spans are decoded one by one, so memory is bounded by the largest, not by their number.

        Raises:
            RequestRefused: `too_many_messages`, `too_deep` or `malformed`.
        """
        outcome = Outcome()
        latest = (now + AHEAD_SECONDS) * _NS
        keys: list[_Key] = []
        rows: list[UsageRow] = []
        callers: list[Caller] = []
        try:
            for origin, span in self._spans(body):
                own = self.attributes.read(span.attributes[:])
                if not _is_inference(own):
                    outcome.ignored["no model call"] += 1
                    if own.get("operation") in CALLERS and not _wrong(span, latest):
                        callers.append(self._caller(span, own, origin, believed))
                elif wrong := _wrong(span, latest):
                    outcome.refuse(wrong, clean(span.name))
                else:
                    key, row = self._call(span, own, origin, believed)
                    keys.append(key)
                    rows.append(row)
        except DecodeError as error:
            raise RequestRefused("malformed", f"no spans in protobuf: {error}") from error
        if not self._wraps.keys().isdisjoint(keys):
            found = [row for key, row in zip(keys, rows, strict=True) if key not in self._wraps]
            outcome.ignored["wraps another call"] += len(rows) - len(found)
            rows = found
        outcome.kept = len(rows)
        return UsageBatch(rows, [one for one in callers if one.agent or one.conversation]), outcome

    def _spans(self, body: Buffer) -> Iterator[tuple[_Origin, Any]]:
        pieces, limits = Pieces(self.attributes.limits), self.attributes.limits
        for number, start, end in pieces.of(body, 0, len(body)):
            if number != 1:
                continue
            group = list(pieces.of(body, start, end))
            resource = self._resource(_joined(body, group))
            for part, scope_start, scope_end in group:
                if part != 2:
                    continue
                scoped = list(pieces.of(body, scope_start, scope_end))
                origin = self._origin(_joined(body, scoped), resource)
                for kind, span_start, span_end in scoped:
                    if kind == 2:
                        wire = body[span_start:span_end]
                        if len(wire) > limits.harmless_bytes:
                            weigh(wire, Span, limits)
                        yield origin, Span.FromString(bytes(wire))

    def _resource(self, wire: bytes) -> _Found:
        limits = self.attributes.limits
        if len(wire) > limits.harmless_bytes:
            weigh(wire, Resource, limits)
        return self.attributes.read(Resource.FromString(wire).attributes)  # type: ignore[attr-defined]

    def _origin(self, wire: bytes, resource: _Found) -> _Origin:
        scope: str = Scope.FromString(wire).name  # type: ignore[attr-defined]
        engine = next((name for name in ENGINES if scope.startswith(name)), "")
        gateway = resource.get("service.name") in self.gateways
        vantage = "engine" if engine else "gateway" if gateway else ""
        return _Origin(resource, self.tenants.resolve(resource, {}, False), vantage, engine)

    def _call(
        self, span: Any, own: _Found, origin: _Origin, believed: bool
    ) -> tuple[_Key, UsageRow]:
        trace, ident, parent = span.trace_id, span.span_id, span.parent_span_id
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        vantage = origin.vantage or _vantage(span.kind)
        if parent:
            self._remember((vantage, trace, parent))
        get = own.get
        agent = get("agent_id", "") or get("agent_name", "")
        conversation = get("conversation_id", "")
        cached, written = get("cache_read_tokens"), get("cache_write_tokens")
        error = get("error_type", "")
        if error:
            error = error.rpartition(".")[2]
        hexed = trace.hex()
        return (vantage, trace, ident), (
            f"{hexed}:{ident.hex()}",
            hexed,
            self._tenant(own, origin) if believed else origin.tenant,
            get("request_model", ""),
            get("response_model", ""),
            get("provider", "") or origin.engine,
            vantage,
            start / _NS,
            (end - start) / _NS if end > start else 0.0,
            _inclusive(get("input_tokens"), cached, written),
            get("output_tokens"),
            cached,
            written,
            get("reasoning_tokens"),
            "error" if error or span.status.code == _FAILED else "ok",
            error,
            get("operation", ""),
            conversation,
            agent,
            "" if agent and conversation else parent.hex(),
        )

    def _caller(self, span: Any, own: _Found, origin: _Origin, believed: bool) -> Caller:
        return Caller(
            operation_id=span.trace_id.hex(),
            vantage=origin.vantage or _vantage(span.kind),
            span_id=span.span_id.hex(),
            tenant=self._tenant(own, origin) if believed else origin.tenant,
            resource_tenant=origin.tenant,
            agent=own.get("agent_id", "") or own.get("agent_name", ""),
            conversation=own.get("conversation_id", ""),
            at=span.start_time_unix_nano / _NS,
            ended=span.end_time_unix_nano / _NS,
        )

    def _tenant(self, own: _Found, origin: _Origin) -> str:
        """Who is charged by a span that is believed."""
        if _SAID_BY_CALLERS.isdisjoint(own):
            return origin.tenant
        return self.tenants.resolve(origin.resource, own, True)

    def _remember(self, parent: _Key) -> None:
        self._wraps[parent] = None
        self._wraps.move_to_end(parent)
        while len(self._wraps) > self.memory:
            self._wraps.popitem(last=False)


def _is_inference(own: _Found) -> bool:
    """A model was reached: the operation says so, or there is none and tokens were counted."""
    operation = own.get("operation")
    return operation in INFERENCE or (
        not operation and ("input_tokens" in own or "output_tokens" in own)
    )


def _vantage(kind: int) -> str:
    return "gateway" if kind == _SERVER else "client"


def _wrong(span: Any, latest: float) -> str:
    """Why this span cannot be booked; empty when it can."""
    trace = span.trace_id
    if len(trace) != 16 or len(span.span_id) != 8 or trace == _NO_TRACE:
        return "no valid id"
    if not 0 < span.start_time_unix_nano <= latest:
        return "time missing or in the future"
    return ""


def _joined(body: Buffer, parts: list[tuple[int, int, int]]) -> bytes:
    """Field 1 (resource or scope): told twice it is one message, merged, as protobuf has it."""
    return b"".join(body[start:end] for number, start, end in parts if number == 1)


def _inclusive(tokens: int | None, cached: int | None, written: int | None) -> int | None:
    """Input with its cached parts, as OpenTelemetry defines it.

    Some providers count cached tokens beside the input: then the parts are more than the whole,
    which is impossible where they are within it.
    """
    parts = (cached or 0) + (written or 0)
    if tokens is None or parts <= tokens:
        return tokens
    return tokens + parts
