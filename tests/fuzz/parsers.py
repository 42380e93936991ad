"""Everything that reads what others wrote: each takes any bytes, or refuses them by name.

A parser here is a function of bytes that returns, or ends in an exception of `refusals`; anything
else is a crash. Some say more: what the fast path reads is what the careful one reads, and what the
reference reads.
"""

import json
import math
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import promql_parser
from fuzz.reference import by_reference
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors import kernel_log
from collectors._device_ids import parse_claimed_name, parse_device_id, uuid_of
from collectors._exposition import Memory, parse
from collectors._kernel_messages import KernelMessages
from collectors._reading import PageReader
from collectors.ollama import Ollama
from collectors.vllm import Vllm
from incidents.webhook_in import AlertInbox, as_finding
from metering.prices import load_book
from service import reach
from service.config import load
from service.detect_file import detect_file
from service.kubernetes.cgroups import place_of
from service.otlp.limits import Limits
from service.otlp.wire import decode, decode_json
from store.promql import quoted
from vocabulary.contracts import Page, Target
from vocabulary.errors import ConfigError, RequestRefused, SourceError

HERE = Target("http://127.0.0.1:1/api/ps", (("cluster", "c"),))
ANSWER = SimpleNamespace(pods=())


def text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def exposition(body: bytes) -> None:
    """Read alone, read again, read from what it was before: the same; and the reference's."""
    memory = Memory()
    first = parse(body, memory=memory)
    names = [(row.name, row.labels) for row in first.layout.rows]
    for _ in range(3):
        again = parse(body, memory=memory, source="here")
        assert [(row.name, row.labels) for row in again.layout.rows] == names
        assert repr(again.values) == repr(first.values)
    theirs = by_reference(body)
    if theirs is not None:
        ours = sorted(
            (name, sorted(labels), repr(v + 0.0))
            for (name, labels), v in zip(names, first.values, strict=True)
        )
        assert ours == theirs


def reading(body: bytes) -> None:
    """A page as far as our samples: nothing in it may break the collector."""
    page = SimpleNamespace(get=lambda *_: Page(body, "", 200, 0.0))
    for sample in PageReader({"vllm": Vllm()}).read(HERE, page, 0.0).samples:  # type: ignore[arg-type]
        assert math.isfinite(sample.value)


def api_answer(body: bytes) -> None:
    answering = SimpleNamespace(get=lambda *_: Page(body, "", 200, 0.0))
    for sample in Ollama().collect(HERE, answering, 0.0):  # type: ignore[arg-type]
        assert math.isfinite(sample.value)


def http_answer(body: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(body)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, mock.patch.object(reach, "_socket", return_value=ours):
        reach.HttpReach(max_bytes=10_000).get("http://127.0.0.1:1/metrics", {}, 5.0)


def device_id(body: bytes) -> None:
    for line in text(body).splitlines():
        for read in (parse_device_id, parse_claimed_name):
            device = read(line)
            assert device.minor is None or 0 <= device.minor < 10_000
        uuid_of(line)


def cgroup_path(body: bytes) -> None:
    place = place_of(text(body))
    assert not place.pod_uid or len(place.pod_uid) in {32, 36}
    assert not place.container_id or len(place.container_id) == 64


def otlp_protobuf(body: bytes) -> None:
    for kind in (ExportMetricsServiceRequest, ExportTraceServiceRequest, ExportLogsServiceRequest):
        _quietly(lambda k=kind: decode(body, k, Limits(max_body_bytes=1 << 14)), RequestRefused)


def otlp_json(body: bytes) -> None:
    for kind in (ExportMetricsServiceRequest, ExportTraceServiceRequest):
        _quietly(
            lambda k=kind: decode_json(body, k, Limits(max_body_bytes=1 << 18)), RequestRefused
        )


def kernel_line(body: bytes) -> None:
    state = kernel_log._State()
    messages = KernelMessages()
    for line in body.split(b"\n"):
        for message in messages._parse(text(line)):
            kernel_log._take(state, message)
    for sample in kernel_log._samples(state, {}, 0.0):
        assert math.isfinite(sample.value)


def price_file(body: bytes) -> None:
    load_book(_file(body, "prices.yaml"))


def configuration(body: bytes) -> None:
    load(_file(body, "tidegauge.yaml"), {})


def table(body: bytes) -> None:
    for column in detect_file(_file(body, "series.csv"))["columns"].values():
        assert all(score is None or math.isfinite(score) for score in column["scores"])


def webhook(body: bytes) -> None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(content, dict):
        records = SimpleNamespace(snapshot=lambda _: None, save_snapshot=lambda *_: None)
        inbox = AlertInbox(records)  # type: ignore[arg-type]
        inbox.receive(content, 0.0)
        assert all(as_finding(held, 0.0) for held in inbox._held.values())


def promql_string(body: bytes) -> None:
    """Whatever a label's value holds, it stays one value."""
    value = text(body)
    tree = promql_parser.parse(f"up{{a={quoted(value)}}}")
    (matcher,) = tree.matchers.matchers
    assert matcher.value == value


def _quietly(call: Callable[[], Any], *refusals: type[Exception]) -> None:
    try:
        call()
    except refusals:
        return


_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")


def _file(body: bytes, name: str) -> Path:
    path = Path(_FOLDER.name) / name
    path.write_bytes(body)
    return path


@dataclass(frozen=True, slots=True)
class Parser:
    """One parser, and how it may refuse."""

    read: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...] = ()
    share: int = 1
    """How many of a hundred inputs of a long run are its."""

    def takes(self, body: bytes) -> bool:
        """Whether *body* is read; False when it is refused by name. Anything else is raised."""
        try:
            self.read(body)
        except self.refusals as refusal:
            said = str(refusal)
        else:
            return True
        assert said.isprintable() or ConfigError in self.refusals, said
        return False


PARSERS = {
    "exposition": Parser(exposition, (SourceError,), 30),
    "reading": Parser(reading, (), 10),
    "api_answer": Parser(api_answer, (SourceError,), 6),
    "http_answer": Parser(http_answer, (SourceError,), 5),
    "device_id": Parser(device_id, (), 8),
    "cgroup_path": Parser(cgroup_path, (), 8),
    "otlp_protobuf": Parser(otlp_protobuf, (), 8),
    "otlp_json": Parser(otlp_json, (), 5),
    "kernel_line": Parser(kernel_line, (), 8),
    "price_file": Parser(price_file, (ConfigError,), 1),
    "configuration": Parser(configuration, (ConfigError,), 1),
    "table": Parser(table, (ConfigError,), 1),
    "webhook": Parser(webhook, (RequestRefused,), 5),
    "promql_string": Parser(promql_string, (), 5),
}
