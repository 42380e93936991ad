"""Sent on over real sockets, both protocols: stripped, marked, bounded, never in our own way."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from otlp_bodies.recorded import CANARY, Kept, bodies, metrics_body, span, stream_of, traces_body

from service.otlp.content import without_content
from service.otlp.forward import MARK, Forward, ForwardSettings, outgoing
from service.otlp.limits import Limits
from service.otlp.streams import LOGS, METRICS, STREAMS, TRACES, Stream
from service.otlp_checks import otlp_endpoints
from service.otlp_send import Answer, Verdict, sender_of
from service.outlets import forward_sender, open_forward
from service.settings import Settings
from vocabulary import otel
from vocabulary.errors import ConfigError

QUICK = ForwardSettings(pause_seconds=0.02, longest_pause_seconds=0.05)
CALL = traces_body(span({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7}))
OTHERS = {stream.service: stream for stream in STREAMS}
WORDS = ("gpu node slow", "stream please", "exceeds the available context", "fingerprint")


class Peer:
    """A collector: what arrived, and what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[Stream, Any]] = []
        self.refusals = 0
        self.for_good = False
        self.slow = threading.Event()
        self.slow.set()
        self.headers: list[dict[str, str]] = []
        self.endpoint = ""

    def take(self, stream: Stream, body: bytes) -> bool:
        self.slow.wait(10)
        if self.refusals:
            self.refusals -= 1
            return False
        self.got.append((stream, stream.request.FromString(body)))
        return True


@pytest.fixture
def over_grpc() -> Iterator[Peer]:
    peer = Peer()

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            stream = OTHERS[details.method.split("/")[1]]

            def export(body: bytes, context: Any) -> bytes:
                peer.headers.append(dict(context.invocation_metadata()))
                if not peer.take(stream, body):
                    never = grpc.StatusCode.INVALID_ARGUMENT
                    context.abort(never if peer.for_good else grpc.StatusCode.UNAVAILABLE, "no")
                return stream.answer().SerializeToString()

            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    peer.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield peer
    peer.slow.set()
    server.stop(None).wait(5)


@pytest.fixture
def over_http() -> Iterator[Peer]:
    import gzip

    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            peer.headers.append({key.lower(): value for key, value in self.headers.items()})
            stream = next(one for one in STREAMS if self.path == f"/v1/{one.name}")
            taken = peer.take(stream, body)
            self.send_response(200 if taken else 400 if peer.for_good else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    peer.endpoint = f"http://127.0.0.1:{server.server_port}"
    yield peer
    peer.slow.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture(params=["grpc", "http"])
def peer(request: pytest.FixtureRequest) -> tuple[str, Peer]:
    return request.param, request.getfixturevalue(f"over_{request.param}")


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def outcomes(forward: Forward) -> dict[str, float]:
    return {one.series.label("outcome"): one.value for one in forward.own_samples(1.0)}


def forward_to(endpoint: str, protocol: str, settings: ForwardSettings = QUICK) -> Forward:
    return Forward(sender_of(endpoint, protocol, {}, 1.0), settings, "us")


def strings(message: Message) -> str:
    return message.SerializeToString().decode("latin-1")


def test_every_recorded_body_that_we_take_is_sent_on_without_anybodys_words(
    peer: tuple[str, Peer],
) -> None:
    protocol, there = peer
    forward = forward_to(there.endpoint, protocol)
    kept = Kept()
    receiver = kept.receiver(forward=forward)
    sent = [path for path in bodies() if stream_of(path) is not LOGS]
    said = 0
    for path in bodies():
        receiver.take(stream_of(path), path.read_bytes(), True)
        text = path.read_bytes().decode("latin-1")
        said += sum(words in text for words in WORDS)
    eventually(lambda: len(there.got) == len(sent))
    forward.close()
    assert said > 3, "the recordings hold prompts, or this test proves nothing"
    for (stream, request), path in zip(there.got, sent, strict=True):
        assert stream is stream_of(path)
        original = stream.request.FromString(path.read_bytes())
        assert _ids(request) == _ids(original), "no span and no point is missing"
        assert not any(words in strings(request) for words in WORDS)
    assert outcomes(forward)["sent"] == len(sent)


def _ids(request: Any) -> list[Any]:
    if hasattr(request, "resource_spans"):
        return [
            (one.trace_id, one.span_id, one.kind, one.start_time_unix_nano)
            for group in request.resource_spans
            for scoped in group.scope_spans
            for one in scoped.spans
        ]
    return [
        (metric.name, len(getattr(metric, str(metric.WhichOneof("data"))).data_points))
        for group in request.resource_metrics
        for scoped in group.scope_metrics
        for metric in scoped.metrics
    ]


DIRTY = [
    *otel.CONTENT,
    *("gen_ai.prompt.0.content", "llm.prompts", "traceloop.entity.input", "exception.message"),
    *("http.url", "db.statement", "input.value", "gen_ai.request.stop_sequences"),
]


def dirty_body() -> bytes:
    event = {
        "name": "gen_ai.user.message",
        "attributes": [{"key": "content", "value": {"stringValue": CANARY}}],
    }
    broken = {"name": "exception", "attributes": event["attributes"]}
    values = {"gen_ai.operation.name": "chat", "a.number": 5, **dict.fromkeys(DIRTY, CANARY)}
    nested = {"gen_ai.response.finish_reasons": [CANARY * 10], "gen_ai.input.messages": [CANARY]}
    one = span(
        {**values, **nested}, events=[event, broken], links=[{"attributes": event["attributes"]}],
        status={"message": CANARY, "code": 2},
    )  # fmt: skip
    return traces_body(one, resource={"process.command_line": CANARY, "service.name": "svc"})


def test_a_canary_in_every_place_of_text_stays_behind() -> None:
    request = TRACES.request.FromString(dirty_body())
    assert strings(request).count(CANARY) >= len(DIRTY)
    without_content(request)
    assert CANARY not in strings(request)
    kept = request.resource_spans[0].scope_spans[0].spans[0]
    assert {pair.key for pair in kept.attributes} == {"gen_ai.operation.name", "a.number"}
    assert [event.name for event in kept.events] == ["exception"]
    assert kept.status.code == 2


def test_content_is_sent_on_where_somebody_asked_for_it() -> None:
    body = outgoing(TRACES, dirty_body(), "us", Limits(), content=True)
    before, after = (TRACES.request.FromString(one) for one in (dirty_body(), body))
    marks = after.resource_spans[0].resource.attributes
    assert marks.pop().key == MARK
    assert after == before, "nothing but our mark was added"


def test_what_was_refused_here_is_not_sent_on(over_http: Peer) -> None:
    forward = forward_to(over_http.endpoint, "http")
    receiver = Kept().receiver(forward=forward)
    with pytest.raises(Exception, match=r"cut|wire type|protobuf"):
        receiver.take(TRACES, b"\xff" * 20, True)
    receiver.take(TRACES, CALL, True)
    eventually(lambda: over_http.got)
    forward.close()
    assert len(over_http.got) == 1


def test_json_is_sent_on_as_protobuf(over_http: Peer) -> None:
    from google.protobuf.json_format import MessageToJson

    forward = forward_to(over_http.endpoint, "http")
    body = metrics_body({"name": "tidegauge.llm.requests.running", "gauge": {"dataPoints": []}})
    tree = MessageToJson(METRICS.request.FromString(body)).encode()
    Kept().receiver(forward=forward).take(METRICS, tree, True, as_json=True)
    eventually(lambda: over_http.got)
    forward.close()
    stream, request = over_http.got[0]
    assert stream is METRICS
    assert _ids(request) == [("tidegauge.llm.requests.running", 0)]


def test_a_peer_that_is_busy_is_asked_again_and_nothing_is_lost(peer: tuple[str, Peer]) -> None:
    protocol, there = peer
    there.refusals = 3
    forward = forward_to(there.endpoint, protocol)
    forward.offer(TRACES, CALL)
    forward.offer(TRACES, CALL)
    eventually(lambda: len(there.got) == 2)
    eventually(lambda: outcomes(forward).get("sent") == 2)
    assert outcomes(forward)["failed attempt"] == 3
    assert forward.trouble() == "", "what is over is no trouble"
    forward.close()


def test_a_peer_that_refuses_for_good_costs_that_request_alone(peer: tuple[str, Peer]) -> None:
    protocol, there = peer
    there.refusals, there.for_good = 1, True
    forward = forward_to(there.endpoint, protocol)
    forward.offer(TRACES, CALL)
    forward.offer(METRICS, b"")
    eventually(lambda: outcomes(forward).get("refused") == 1)
    forward.offer(TRACES, CALL)
    eventually(lambda: len(there.got) == 1)
    forward.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_peer_that_is_down_neither_delays_nor_loses_our_own_answer(protocol: str) -> None:
    forward = forward_to("http://127.0.0.1:1", protocol)
    kept = Kept()
    receiver = kept.receiver(forward=forward)
    began = time.monotonic()
    for number in range(1, 101):
        receiver.take(TRACES, traces_body(span({"gen_ai.operation.name": "chat"}, number)), True)
    assert time.monotonic() - began < 2.0
    assert len(kept.usage) == 100
    eventually(lambda: "otlp_forward does not go through" in forward.trouble())
    assert "requests wait" in forward.trouble()
    forward.close(0.2)


def test_a_slow_peer_costs_the_oldest_beyond_the_room_and_every_one_is_counted(
    peer: tuple[str, Peer],
) -> None:
    protocol, there = peer
    there.slow.clear()
    room = ForwardSettings(max_queued_mib=20 * len(CALL) / 2**20, pause_seconds=0.01)
    forward = Forward(sender_of(there.endpoint, protocol, {}, 5.0), room, "us")
    began = time.monotonic()
    for _ in range(100):
        forward.offer(TRACES, CALL)
    assert time.monotonic() - began < 0.5, "offering never waits"
    assert 80 <= outcomes(forward)["no room"] <= 81
    there.slow.set()
    eventually(lambda: len(there.got) >= 20)
    forward.close()
    assert len(there.got) <= 21


def test_a_poisoned_request_does_not_hold_up_the_others_for_ever() -> None:
    class Picky:
        taken = 0

        def send(self, stream: Stream, body: bytes) -> Answer:
            if stream is METRICS:
                return Answer(Verdict.AGAIN, "HTTP 502")
            self.taken += 1
            return Answer(Verdict.TAKEN)

        def close(self) -> None:
            pass

    sender = Picky()
    settings = ForwardSettings(pause_seconds=0.005, longest_pause_seconds=0.005, attempts=3)
    forward = Forward(sender, settings, "us")
    forward.offer(METRICS, bodies("*-http-metrics.pb")[0].read_bytes())
    forward.offer(TRACES, CALL)
    eventually(lambda: sender.taken == 1)
    forward.close()
    assert outcomes(forward)["given up"] == 1


def test_what_is_too_much_to_decode_as_a_whole_is_counted_and_left_out(over_http: Peer) -> None:
    many = traces_body(span({"gen_ai.operation.name": "chat"})) + b"\x0a\x00" * 140_000
    forward = forward_to(over_http.endpoint, "http")
    forward.offer(TRACES, many)
    forward.offer(TRACES, CALL)
    eventually(lambda: over_http.got)
    forward.close()
    assert outcomes(forward) == {"unreadable": 1, "sent": 1, "failed attempt": 0}


def test_what_comes_back_to_us_is_not_sent_on_again() -> None:
    once = outgoing(TRACES, CALL, "us", Limits(), content=False)
    assert once
    assert outgoing(TRACES, once, "us", Limits(), content=False) == b""
    twice = outgoing(TRACES, once, "them", Limits(), content=False)
    marks = [
        pair.value.string_value
        for pair in TRACES.request.FromString(twice).resource_spans[0].resource.attributes
        if pair.key == MARK
    ]
    assert marks == ["us,them"], "the mark survives another server on the way"
    assert outgoing(TRACES, twice, "us", Limits(), content=False) == b""


def test_sending_to_ourselves_is_a_configuration_error() -> None:
    for endpoint in ("http://127.0.0.1:8780", "localhost:4317", "http://[::1]:4317"):
        with pytest.raises(ConfigError, match="this server"):
            open_forward(Settings(), ForwardSettings(endpoint=endpoint), _none, _none)
    assert open_forward(Settings(), ForwardSettings(), _none, _none) is None


def _none(*_: object) -> None:
    return None


def test_headers_and_the_token_travel(over_http: Peer, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    sender = forward_sender(
        ForwardSettings(
            endpoint=over_http.endpoint, protocol="http", token_file=str(token),
            headers="X-Scope-OrgID=team, x-other=2",
        )
    )  # fmt: skip
    assert sender.send(TRACES, CALL).verdict is Verdict.TAKEN
    sender.close()
    found = over_http.headers[0]
    assert (found["authorization"], found["x-scope-orgid"], found["x-other"]) == (
        "Bearer s3cret", "team", "2",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        forward_sender(ForwardSettings(endpoint="http://x", headers="nonsense"))


def test_doctor_asks_each_endpoint_as_it_will_be_asked(peer: tuple[str, Peer]) -> None:
    protocol, there = peer
    onward = ForwardSettings(endpoint=there.endpoint, protocol=protocol)
    ours = Settings(otlp_endpoint=there.endpoint, otlp_protocol=protocol)
    assert [one.verdict for one in otlp_endpoints(ours, onward)] == ["ok", "ok"]
    there.refusals, there.for_good = 1, True
    (refused,) = otlp_endpoints(Settings(), onward)
    assert (refused.verdict, refused.name) == ("blind", "otlp_forward")
    assert "token" in refused.mend
    (down,) = otlp_endpoints(Settings(), ForwardSettings("http://127.0.0.1:1", protocol))
    assert (down.verdict, "running" in down.mend) == ("blind", True)
    assert list(otlp_endpoints(Settings(), ForwardSettings())) == []
