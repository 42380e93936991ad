"""Both doors of OTLP on real sockets: recorded bodies, answers by the specification, refusals."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from otlp_bodies.recorded import RECORDED_AT, Kept, bodies, span, stream_of, traces_body
from otlp_bodies.served import AGENT, APP, both, over_grpc, over_http, wiring

from service.api import create_app, receiver_of
from service.otlp.limits import Limits
from service.otlp.streams import METRICS, STREAMS, TRACES
from vocabulary.errors import StoreUnreachable

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
CALL = traces_body(span({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7}))


class Ends:
    """A client of both doors."""

    def __init__(self, http_port: int, grpc_port: int, kept: Kept) -> None:
        self.kept = kept
        self.url = f"http://127.0.0.1:{http_port}"
        self.http = httpx2.Client(base_url=self.url, trust_env=False, timeout=10)
        self.channel_address = f"127.0.0.1:{grpc_port}"
        self.channel = grpc.insecure_channel(self.channel_address)

    def post(self, name: str, body: bytes, token: str = AGENT, **headers: str) -> httpx2.Response:
        given = {**PROTOBUF, "authorization": f"Bearer {token}"}
        given |= {key.replace("_", "-"): value for key, value in headers.items()}
        return self.http.post(f"/v1/{name}", content=body, headers=given)

    def call(self, stream: Any, body: bytes, token: str = AGENT, **more: Any) -> Any:
        method = self.channel.unary_unary(
            f"/{stream.service}/Export", response_deserializer=stream.answer.FromString
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return method(body, metadata=metadata, timeout=10, **more)

    def close(self) -> None:
        self.http.close()
        self.channel.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    kept = Kept()
    with both(kept) as ports, closing(Ends(*ports, kept)) as found:
        yield found


def test_every_recorded_body_is_taken_by_both_doors_with_the_same_result(ends: Ends) -> None:
    for path in bodies():
        stream, body = stream_of(path), path.read_bytes()
        plain = ends.post(stream.name, body)
        packed = ends.post(stream.name, gzip.compress(body), content_encoding="gzip")
        assert plain.status_code == packed.status_code == 200, path
        assert plain.headers["content-type"] == "application/x-protobuf"
        over_http = stream.answer.FromString(plain.content)
        assert ends.call(stream, body) == over_http
        assert ends.call(stream, body, compression=grpc.Compression.Gzip) == over_http
        if stream is not METRICS:
            assert over_http == stream.answer(), "full success leaves partial_success unset"
    assert len({one.attempt_id for one in ends.kept.usage}) * 4 == len(ends.kept.usage)
    assert len({one.content_hash for one in ends.kept.usage}) * 4 == len(ends.kept.usage)
    assert {one.series.name.split("_")[0] for one in ends.kept.samples} == {"gen"}


def in_hexadecimal(node: Any) -> None:
    """Ids as OTLP's JSON has them, from base64 as protobuf's JSON has them."""
    for one in node if isinstance(node, list) else [node]:
        if isinstance(one, dict):
            for key in one.keys() & {"traceId", "spanId", "parentSpanId"}:
                one[key] = base64.b64decode(one[key]).hex()
            for value in one.values():
                in_hexadecimal(value)


def test_json_says_the_same_as_protobuf(ends: Ends) -> None:
    for path in bodies("genai_openai-*-http-*.pb"):
        stream = stream_of(path)
        tree = MessageToDict(stream.request.FromString(path.read_bytes()))
        in_hexadecimal(tree)
        assert ends.post(stream.name, path.read_bytes()).status_code == 200
        answer = ends.post(
            stream.name, json.dumps(tree).encode(), content_type="application/json; charset=utf-8"
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
    told = Counter(one.content_hash for one in ends.kept.usage)
    assert len(told) > 4
    assert set(told.values()) == {2}


def test_a_partial_success_says_how_many_and_which(ends: Ends) -> None:
    path = bodies("openlit-*-http-metrics.pb")[0]
    answer = METRICS.answer.FromString(ends.post("metrics", path.read_bytes(), token=APP).content)
    assert answer.partial_success.rejected_data_points > 0
    assert "gen_ai.server.time_to_first_token" in answer.partial_success.error_message
    assert "http.client.duration" in answer.partial_success.error_message


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff" * 20, {}, 400),
        (b"not gzip", {"content_encoding": "gzip"}, 400),
        (gzip.compress(CALL)[:-4], {"content_encoding": "gzip"}, 400),
        (CALL, {"content_type": "text/plain"}, 415),
        (CALL, {"content_encoding": "br"}, 415),
        (b"{", {"content_type": "application/json"}, 400),
        (b"[" * 9999, {"content_type": "application/json"}, 400),
        (b"x" * (5 << 20), {}, 413),
        (gzip.compress(b"\0" * (64 << 20)), {"content_encoding": "gzip"}, 413),
        (b"\x0a\x00" * 2_000_000, {}, 413),
    ],
)
def test_what_cannot_be_taken_is_refused_for_good_in_the_senders_own_format(
    ends: Ends, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = ends.post("traces", body, **headers)
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    if headers.get("content_type") == "application/json":
        assert answer.json()["message"]
    else:
        assert Status.FromString(answer.content).message
    assert ends.kept.usage == []
    assert ends.post("traces", CALL).status_code == 200, "others are not disturbed"


def test_every_refusal_is_counted_once_under_its_reason() -> None:
    kept = Kept()
    limits = Limits(max_body_bytes=64 << 10)
    wired = wiring(kept, otlp_limits=limits)
    receiver = receiver_of(wired)
    with (
        over_http(create_app(wired, receiver)) as http_port,
        over_grpc(receiver) as grpc_port,
        closing(Ends(http_port, grpc_port, kept)) as ends,
    ):
        small = b"\x0a\x00" * 5000
        for body, headers in (
            (b"\xff" * 20, {}),
            (b"x" * (65 << 10), {}),
            (small, {}),
            (CALL, {"content_type": "text/plain"}),
            (b"[" * 999, {"content_type": "application/json"}),
        ):
            assert ends.post("traces", body, **headers).status_code >= 400
        with pytest.raises(grpc.RpcError) as caught:
            ends.call(TRACES, small)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        counted = {one.series.label("reason"): one.value for one in receiver.own_samples()}
    assert counted == {
        "malformed": 1, "too_large": 1, "too_many_messages": 2, "media_type": 1, "too_deep": 1,
    }  # fmt: skip


def test_both_doors_ask_for_a_token_that_may_ingest(ends: Ends) -> None:
    assert ends.http.post("/v1/traces", content=CALL, headers=PROTOBUF).status_code == 401
    assert ends.post("traces", CALL, token="wrong-wrong-wrong-wrong").status_code == 401
    for token in ("", "wrong-wrong-wrong-wrong"):
        with pytest.raises(grpc.RpcError) as caught:
            ends.call(TRACES, CALL, token=token)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert ends.kept.usage == []


def test_who_collects_is_believed_and_who_ingests_is_not(ends: Ends) -> None:
    tenant = {"gen_ai.operation.name": "chat", "tidegauge.tenant": "team-a"}
    for number, token in enumerate((AGENT, APP), 1):
        body = traces_body(span(tenant, number))
        ends.post("traces", body, token=token)
        ends.call(TRACES, body, token=token)
    tenants = [one.tenant for one in ends.kept.usage]
    assert tenants == ["team-a", "team-a", "unknown", "unknown"]


def test_grpc_refuses_a_bad_body_for_good_and_an_oversized_one_unread(ends: Ends) -> None:
    for stream in STREAMS:
        with pytest.raises(grpc.RpcError) as caught:
            ends.call(stream, b"\xff" * 20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for body, more in (
        (b"\0" * (5 << 20), {}),
        (b"\0" * (50 << 20), {"compression": grpc.Compression.Gzip}),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            ends.call(TRACES, body, **more)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    ends.call(TRACES, CALL)
    assert len(ends.kept.usage) == 1


def test_a_store_that_is_down_asks_the_sender_to_come_again() -> None:
    def down(_: Any) -> int:
        raise StoreUnreachable("the disk is full")

    kept = Kept()
    with both(kept, ingest_usage=down) as ports, closing(Ends(*ports, kept)) as ends:
        answer = ends.post("traces", CALL)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "disk is full" in Status.FromString(answer.content).message
        with pytest.raises(grpc.RpcError) as caught:
            ends.call(TRACES, CALL)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_too_many_senders_at_once_are_asked_to_come_again() -> None:
    kept = Kept()
    limits = Limits(in_flight=0)
    with both(kept, otlp_limits=limits) as ports, closing(Ends(*ports, kept)) as ends:
        answer = ends.post("traces", CALL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_exporters_of_opentelemetry_get_through_both_doors(ends: Ends) -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporters = [
        OverHttp(f"{ends.url}/v1/traces", headers={"Authorization": f"Bearer {AGENT}"},
                 compression=Compression.Gzip),
        OverGrpc(ends.channel_address, insecure=True, headers={"authorization": f"Bearer {AGENT}"}),
    ]  # fmt: skip
    for exporter in exporters:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        start = int((RECORDED_AT - 5) * 1e9)
        one = provider.get_tracer("test").start_span("chat", start_time=start)
        one.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9})
        one.end(end_time=start + 10**9)
        provider.shutdown()
    assert [(one.input_tokens, one.duration) for one in ends.kept.usage] == [(9, 1.0), (9, 1.0)]
