"""Spans read plainly, from the official decoder's messages: the oracle of the fast reader.

It takes every attribute of every span apart as the official classes give it, and shares no code
with service/otlp/spans.py beyond what a value and a tenant are.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.otlp.attributes import Plain, as_text, clean, kept
from service.otlp.identity import IDENTITY_ATTRIBUTES, Tenants
from service.otlp.outcome import Outcome
from vocabulary import otel
from vocabulary.usage import UsageSpan

AHEAD_SECONDS = 600.0
MOST_TOKENS = 100_000_000
"""More tokens than any context window holds by a factor of ten: a broken counter, so unknown."""
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
ENGINES = ("vllm", "sglang", "trtllm", "lmdeploy")
"""Beginnings of the scope names that engines trace themselves under."""
_NS = 1_000_000_000
_ALLOWED = frozenset(
    {
        *(name for one in otel.SPAN_ATTRIBUTES.values() for name in one.spellings),
        *IDENTITY_ATTRIBUTES,
    }
)


@dataclass(frozen=True, slots=True)
class _Call:
    """A span with what may be kept of it."""

    span: Span
    scope: str
    resource: Mapping[str, Plain]
    own: Mapping[str, Plain]
    vantage: str

    @property
    def key(self) -> tuple[str, bytes, bytes]:
        return (self.vantage, self.span.trace_id, self.span.span_id)

    @property
    def parent(self) -> tuple[str, bytes, bytes]:
        return (self.vantage, self.span.trace_id, self.span.parent_span_id)

    def text(self, attribute: otel.Attribute) -> str:
        return as_text(attribute.read(self.own))

    def tokens(self, attribute: otel.Attribute) -> int | None:
        value = attribute.read(self.own)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return int(value) if 0 <= value <= MOST_TOKENS and value == int(value) else None


@dataclass(slots=True)
class PlainSpans:
    """Turns export requests into usage; remembers which spans were found to wrap others."""

    tenants: Tenants
    gateways: frozenset[str] = frozenset({"litellm", "litellm-proxy", "ai-gateway"})
    """Service names of gateways: what they say was seen at the gateway, not in a client."""
    memory: int = 50_000
    """Wrapping spans remembered across requests; about 200 bytes each."""
    _wraps: OrderedDict[tuple[str, bytes, bytes], None] = field(default_factory=OrderedDict)

    def take(
        self, request: ExportTraceServiceRequest, believed: bool, now: float
    ) -> tuple[list[UsageSpan], Outcome]:
        """The usage in *request*, and what was not kept."""
        outcome = Outcome()
        calls = []
        for call in self._calls(request, outcome):
            wrong = _wrong(call.span, now)
            if wrong:
                outcome.refuse(wrong, clean(call.span.name))
            else:
                calls.append(call)
                self._remember(call)
        found = []
        for call in calls:
            if call.key in self._wraps:
                outcome.ignored["wraps another call"] += 1
            else:
                found.append(self._usage(call, believed))
        outcome.kept = len(found)
        return found, outcome

    def _calls(self, request: ExportTraceServiceRequest, outcome: Outcome) -> Iterator[_Call]:
        for group in request.resource_spans:
            resource = kept(group.resource.attributes, _ALLOWED)
            for scoped in group.scope_spans:
                for span in scoped.spans:
                    own = kept(span.attributes, _ALLOWED)
                    if _is_inference(own):
                        vantage = self._vantage(span, scoped.scope.name, resource)
                        yield _Call(span, scoped.scope.name, resource, own, vantage)
                    else:
                        outcome.ignored["no model call"] += 1

    def _vantage(self, span: Span, scope: str, resource: Mapping[str, Plain]) -> str:
        if scope.startswith(ENGINES):
            return "engine"
        gateway = resource.get("service.name") in self.gateways
        return "gateway" if gateway or span.kind == Span.SPAN_KIND_SERVER else "client"

    def _remember(self, call: _Call) -> None:
        if call.span.parent_span_id:
            self._wraps[call.parent] = None
            self._wraps.move_to_end(call.parent)
            while len(self._wraps) > self.memory:
                self._wraps.popitem(last=False)

    def _usage(self, call: _Call, believed: bool) -> UsageSpan:
        span = call.span
        cached = call.tokens(otel.CACHE_READ_TOKENS)
        written = call.tokens(otel.CACHE_WRITE_TOKENS)
        error = call.text(otel.ERROR_TYPE).rpartition(".")[2]
        failed = bool(error) or span.status.code == Status.STATUS_CODE_ERROR
        agent = call.text(otel.AGENT_ID) or call.text(otel.AGENT_NAME)
        conversation = call.text(otel.CONVERSATION_ID)
        engine = next((name for name in ENGINES if call.scope.startswith(name)), "")
        return UsageSpan(
            attempt_id=f"{span.trace_id.hex()}:{span.span_id.hex()}",
            operation_id=span.trace_id.hex(),
            tenant=self.tenants.resolve(call.resource, call.own, believed),
            model_requested=call.text(otel.REQUEST_MODEL),
            model_served=call.text(otel.RESPONSE_MODEL),
            provider=call.text(otel.PROVIDER) or engine,
            vantage=call.vantage,
            at=span.start_time_unix_nano / _NS,
            duration=max(0, span.end_time_unix_nano - span.start_time_unix_nano) / _NS,
            input_tokens=_inclusive(call.tokens(otel.INPUT_TOKENS), cached, written),
            output_tokens=call.tokens(otel.OUTPUT_TOKENS),
            cached_input_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=call.tokens(otel.REASONING_TOKENS),
            status="error" if failed else "ok",
            error_type=error,
            operation=call.text(otel.OPERATION),
            conversation=conversation,
            agent=agent,
            parent="" if agent and conversation else span.parent_span_id.hex(),
        )


def _is_inference(own: Mapping[str, Plain]) -> bool:
    """A model was reached: the operation says so, or there is none and tokens were counted."""
    operation = otel.OPERATION.read(own)
    counted = otel.INPUT_TOKENS.read(own) is not None or otel.OUTPUT_TOKENS.read(own) is not None
    return operation in INFERENCE or (not operation and counted)


def _wrong(span: Span, now: float) -> str:
    """Why this span cannot be booked; empty when it can."""
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or not any(span.trace_id):
        return "no valid id"
    if not 0 < span.start_time_unix_nano <= (now + AHEAD_SECONDS) * _NS:
        return "time missing or in the future"
    return ""


def _inclusive(tokens: int | None, cached: int | None, written: int | None) -> int | None:
    """Input with its cached parts, as OpenTelemetry defines it.

    Some providers count cached tokens beside the input: then the parts are more than the whole,
    which is impossible where they are within it.
    """
    parts = (cached or 0) + (written or 0)
    if tokens is None or parts <= tokens:
        return tokens
    return tokens + parts
