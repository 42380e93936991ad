"""Samples over real OTLP/gRPC and OTLP/HTTP to receivers on loopback, decoded by the protocol."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from service.otlp.streams import METRICS, Stream
from service.otlp_export import OtlpExport
from service.otlp_send import Answer, Verdict, sender_of
from vocabulary import metrics as m
from vocabulary.errors import ConfigError
from vocabulary.otel import attribute_of, label_of
from vocabulary.samples import Sample, Series, labels_of

REPLICA = labels_of(
    {
        "cluster": "c1", "node": "n1", "namespace": "chat", "pod": "llama-0", "pool": "chat/llama",
        "replica": "c1/chat/uid/vllm", "engine": "vllm", "vantage": "engine", "version": "0.33.0",
        "model": "llama",
    }
)  # fmt: skip


def sample(metric: m.Metric, value: float, at: float = 100.0, **own: str) -> Sample:
    return Sample(Series(metric.name, labels_of([*REPLICA, *own.items()])), value, at)


def histogram(counts: dict[str, float], total: float, at: float = 100.0) -> list[Sample]:
    name = m.TIME_TO_FIRST_TOKEN.name
    buckets = [
        Sample(Series(f"{name}_bucket", labels_of([*REPLICA, ("le", le)])), value, at)
        for le, value in counts.items()
    ]
    parts = (("sum", total), ("count", counts["+Inf"]))
    return [*buckets, *(Sample(Series(f"{name}_{p}", REPLICA), v, at) for p, v in parts)]


EVERYTHING = [
    sample(m.INPUT_TOKENS, 1000.0),
    sample(m.REQUESTS_FINISHED, 7.0, finish_reason="stop"),
    sample(m.REQUESTS_RUNNING, 3.0),
    *histogram({"0.5": 4.0, "1.0": 9.0, "+Inf": 10.0}, 6.5),
    Sample(
        Series(
            m.GPU_ERRORS.name,
            labels_of({"node": "n1", "gpu": "GPU-1", "error_type": "corrected"}),
        ),
        2.0, 100.0,
    ),
    Sample(
        Series(m.COST.name, labels_of({"tenant": "acme", "model": "llama", "basis": "tokens"})),
        1.25, 100.0,
    ),
]  # fmt: skip


class Receiver:
    """What arrived, and what is answered."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = 0
        self.http_refusal, self.grpc_refusal = 503, grpc.StatusCode.UNAVAILABLE
        self.refusal_headers: dict[str, str] = {}
        self.answer = ExportMetricsServiceResponse()
        self.endpoint = ""

    def points(self) -> dict[tuple[str, frozenset[tuple[str, str]]], Any]:
        """Metric name and all attributes, of resource and point, to the newest point."""
        found = {}
        for request in self.requests:
            for resource in request.resource_metrics:
                about = [(a.key, a.value.string_value) for a in resource.resource.attributes]
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        data = getattr(metric, metric.WhichOneof("data"))
                        for point in data.data_points:
                            own = [(a.key, a.value.string_value) for a in point.attributes]
                            found[metric.name, frozenset([*about, *own])] = (metric, point)
        return found


@pytest.fixture
def over_grpc() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            assert details.method.endswith("MetricsService/Export")
            return grpc.unary_unary_rpc_method_handler(self.take)

        def take(self, body: bytes, context: Any) -> bytes:
            if receiver.refuse:
                receiver.refuse -= 1
                context.abort(receiver.grpc_refusal, "no")
            receiver.headers.append(dict(context.invocation_metadata()))
            receiver.requests.append(ExportMetricsServiceRequest.FromString(body))
            return receiver.answer.SerializeToString()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    server.stop(None).wait(5)


@pytest.fixture
def over_http() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            refused = receiver.refuse > 0
            if refused:
                receiver.refuse -= 1
            else:
                receiver.headers.append({k.lower(): v for k, v in self.headers.items()})
                receiver.requests.append(ExportMetricsServiceRequest.FromString(body))
            assert self.path == "/v1/metrics"
            content = b"" if refused else receiver.answer.SerializeToString()
            self.send_response(receiver.http_refusal if refused else 200)
            for name, value in receiver.refusal_headers.items() if refused else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    yield receiver
    server.shutdown()
    thread.join(5)
    server.server_close()


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.fixture(params=["grpc", "http"])
def receiver(request: pytest.FixtureRequest) -> tuple[str, Receiver]:
    return request.param, request.getfixturevalue(f"over_{request.param}")


def test_everything_arrives_under_opentelemetrys_names(receiver: tuple[str, Receiver]) -> None:
    protocol, server = receiver
    export = OtlpExport(sender_of(server.endpoint, protocol, {"authorization": "Bearer t0ken"}))
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.sent == len(EVERYTHING))
    export.close()
    assert server.headers[0]["authorization"] == "Bearer t0ken"
    points = server.points()
    about = {
        "k8s.cluster.name": "c1", "k8s.node.name": "n1", "k8s.namespace.name": "chat",
        "k8s.pod.name": "llama-0", "tidegauge.pool": "chat/llama",
        "tidegauge.replica": "c1/chat/uid/vllm", "gen_ai.provider.name": "vllm",
        "tidegauge.vantage": "engine", "service.version": "0.33.0", "service.name": "vllm",
        "service.instance.id": "c1/chat/uid/vllm", "gen_ai.request.model": "llama",
    }  # fmt: skip
    key = frozenset(about.items())

    metric, point = points["tidegauge.llm.input_tokens", key]
    assert (metric.unit, metric.sum.is_monotonic, metric.sum.aggregation_temporality) == (
        "{token}", True, 2,
    )  # fmt: skip
    assert (point.as_double, point.time_unix_nano) == (1000.0, 100_000_000_000)

    metric, point = points["tidegauge.llm.requests.running", key]
    assert (metric.WhichOneof("data"), point.as_double) == ("gauge", 3.0)

    finished = frozenset({**about, "gen_ai.response.finish_reasons": "stop"}.items())
    assert points["tidegauge.llm.requests.finished", finished][1].as_double == 7.0

    metric, point = points["gen_ai.server.time_to_first_token", key]
    assert metric.histogram.aggregation_temporality == 2
    assert list(point.explicit_bounds) == [0.5, 1.0]
    assert list(point.bucket_counts) == [4, 5, 1]
    assert (point.count, point.sum) == (10, 6.5)
    assert not point.HasField("min"), "a page does not tell the smallest"

    gpu = {
        "k8s.node.name": "n1", "hw.id": "GPU-1", "hw.type": "gpu", "error.type": "corrected",
        "service.name": "tidegauge", "service.instance.id": "GPU-1",
    }  # fmt: skip
    assert points["hw.errors", frozenset(gpu.items())][1].as_double == 2.0
    cost = {
        "service.name": "tidegauge", "tidegauge.tenant": "acme", "gen_ai.request.model": "llama",
        "tidegauge.basis": "tokens",
    }  # fmt: skip
    assert points["tidegauge.cost", frozenset(cost.items())][1].as_double == 1.25


def test_one_replica_is_one_resource(over_grpc: Receiver) -> None:
    export = OtlpExport(sender_of(over_grpc.endpoint, "grpc", {}))
    export.offer(EVERYTHING)
    eventually(lambda: over_grpc.requests)
    export.close()
    resources = over_grpc.requests[0].resource_metrics
    assert len(resources) == 3
    assert len(resources[0].scope_metrics[0].metrics) == 4


def test_a_refused_export_is_tried_again_and_counted(receiver: tuple[str, Receiver]) -> None:
    protocol, server = receiver
    server.refuse = 2
    export = OtlpExport(sender_of(server.endpoint, protocol, {}), pause_seconds=0.02)
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.sent == len(EVERYTHING))
    export.close()
    assert (export.tally.failures, export.tally.dropped) == (2, 0)


def test_what_is_refused_for_good_is_not_sent_again(receiver: tuple[str, Receiver]) -> None:
    protocol, server = receiver
    server.refuse, server.http_refusal = 1, 400
    server.grpc_refusal = grpc.StatusCode.INVALID_ARGUMENT
    export = OtlpExport(sender_of(server.endpoint, protocol, {}), pause_seconds=0.02)
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.dropped == len(EVERYTHING))
    export.close()
    assert (export.tally.failures, server.requests) == (1, [])


def test_a_partial_success_is_counted_and_not_sent_again(receiver: tuple[str, Receiver]) -> None:
    protocol, server = receiver
    server.answer.partial_success.rejected_data_points = 3
    server.answer.partial_success.error_message = "three too old"
    export = OtlpExport(sender_of(server.endpoint, protocol, {}))
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.sent == len(EVERYTHING))
    export.close()
    assert (export.tally.rejected, export.tally.failures, len(server.requests)) == (3, 0, 1)
    assert export.report(5.0)[1].value == 3.0


def test_the_endpoint_says_when_to_come_again(over_http: Receiver) -> None:
    over_http.refuse, over_http.refusal_headers = 1, {"Retry-After": "0.4"}
    export = OtlpExport(sender_of(over_http.endpoint, "http", {}), pause_seconds=0.01)
    began = time.monotonic()
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.sent == len(EVERYTHING))
    assert time.monotonic() - began >= 0.4
    export.close()


@pytest.mark.parametrize("compress", [True, False])
def test_compression_is_a_choice(receiver: tuple[str, Receiver], compress: bool) -> None:
    protocol, server = receiver
    export = OtlpExport(sender_of(server.endpoint, protocol, {}, compress=compress))
    export.offer(EVERYTHING)
    eventually(lambda: export.tally.sent == len(EVERYTHING))
    export.close()
    if protocol == "http":
        assert ("content-encoding" in server.headers[0]) is compress
    assert len(server.points()) == 6


class Stuck:
    """A sender that fails, or that hangs until it is let go."""

    def __init__(self, hang: bool = False) -> None:
        self.seen: list[bytes] = []
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.hang, self.works = hang, False

    def send(self, stream: Stream, body: bytes) -> Answer:
        assert stream is METRICS
        self.seen.append(body)
        self.entered.set()
        if self.hang:
            self.let_go.wait(10)
        if not self.works:
            raise RuntimeError("a sender with a bug")
        return Answer(Verdict.TAKEN)

    def close(self) -> None:
        self.let_go.set()


def running(value: float) -> list[Sample]:
    return [sample(m.REQUESTS_RUNNING, value)]


def test_after_its_attempts_a_batch_is_dropped_and_the_next_one_has_its_turn() -> None:
    sender = Stuck()
    export = OtlpExport(sender, attempts=3, pause_seconds=0.01)
    export.offer(running(1.0))
    eventually(lambda: export.tally.dropped == 1)
    assert export.tally.failures == 3
    sender.works = True
    export.offer(running(2.0))
    eventually(lambda: export.tally.sent == 1)
    assert export.report(5.0) == [
        Sample(Series(m.SAMPLES_DROPPED.name, (("limit", limit),)), lost, 5.0)
        for limit, lost in (("otlp_export", 1.0), ("otlp_export_rejected", 0.0))
    ]
    export.close()


def test_an_endpoint_that_hangs_never_blocks_whoever_offers() -> None:
    sender = Stuck(hang=True)
    export = OtlpExport(sender, max_queued=50)
    export.offer(running(0.0))
    sender.entered.wait(5)
    began = time.monotonic()
    for number in range(500):
        export.offer(running(float(number)))
    assert time.monotonic() - began < 0.5
    assert export.tally.dropped == 451, "the oldest went, fifty are kept"
    export.close(0.2)


def test_closing_sends_what_is_queued(over_grpc: Receiver) -> None:
    export = OtlpExport(sender_of(over_grpc.endpoint, "grpc", {}))
    for number in range(5):
        export.offer(running(float(number)))
    export.close()
    assert export.tally.sent == 5
    assert len(over_grpc.requests) == 5


def test_a_closed_port_costs_failures_and_nothing_else(over_http: Receiver) -> None:
    export = OtlpExport(
        sender_of("http://127.0.0.1:1", "http", {}, 0.3), attempts=1, pause_seconds=0.01
    )
    export.offer(running(1.0))
    eventually(lambda: export.tally.dropped == 1)
    export.close()


def test_an_unknown_protocol_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="grpc or http"):
        sender_of("http://127.0.0.1:1", "carrier pigeon", {})


def test_every_label_of_the_vocabulary_comes_back_from_its_attribute() -> None:
    labels = {*m.TARGET_LABELS, *(name for metric in m.ALL for name in metric.labels)}
    attributes = {attribute_of(label): label for label in labels}
    assert len(attributes) == len(labels), "two labels share an attribute"
    for attribute, label in attributes.items():
        assert label_of(attribute) == label
    for stranger in ("service.name", "host.name", "tidegauge.", "tidegauge.model", "tidegauge.a.b"):
        assert label_of(stranger) is None
