"""What a hostile sender can make the receiver's process grow by: at most ten times the cap."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx2
import pytest
from otlp_bodies.served import APP

from service.otlp.limits import Limits
from service.otlp.streams import TRACES

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux' /proc"
)
ROOT = Path(__file__).resolve().parents[3]
CAP = Limits().max_body_bytes
BAR_MIB = 10 * CAP / (1 << 20)


@dataclass
class Process:
    pid: int
    http_port: int
    grpc_port: int

    def mib(self, what: str) -> float:
        """`VmRSS` now, or `VmHWM`, the highest since the last reset."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"no {what} in /proc")

    @contextmanager
    def growth(self, name: str, bar_mib: float) -> Iterator[None]:
        """The process must never stand higher than *bar_mib* above where it stood."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # resets VmHWM
        before = self.mib("VmRSS")
        yield
        grown = self.mib("VmHWM") - before
        print(f"{name}: +{grown:.1f} MiB of {bar_mib:.0f}")
        assert grown <= bar_mib

    def post(self, body: bytes, stream: str = "traces", **headers: str) -> int:
        given = {"content-type": "application/x-protobuf", "authorization": f"Bearer {APP}"}
        given |= {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"http://127.0.0.1:{self.http_port}/v1/{stream}"
        try:
            answer = httpx2.post(url, content=body, headers=given, timeout=60, trust_env=False)
        except httpx2.TransportError:
            return 0  # refused before we had sent it all
        return answer.status_code


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, "-m", "otlp_bodies.served"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        ports = [int(port) for port in server.stdout.readline().split()]
        found = Process(server.pid, *ports)
        assert found.post(b"") == 200  # imports and pools are not the bomb's doing
        yield found
        assert server.stdin
        server.stdin.close()
        server.wait(20)


def field(tag: int, payload: bytes) -> bytes:
    length, size = bytearray(), len(payload)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag]) + bytes([*length, size]) + payload


MOST = Limits().max_messages - 10
BOMBS = {  # the worst first, while the process is small
    "as many empty spans as pass": (field(0x0A, field(0x12, b"\x12\x00" * MOST)), False),
    "the same within a full body": (
        field(0x0A, field(0x12, b"\x12\x00" * MOST + field(0x1A, b"x" * (CAP - MOST * 2 - 100)))),
        False,
    ),
    "16 kB of gzip, 16 MB of empty messages": (gzip.compress(b"\x0a\x00" * (8 << 20)), True),
    "4 MiB of empty messages": (gzip.compress(b"\x0a\x00" * (CAP // 2)), True),
    "200 MB of zeros": (gzip.compress(b"\0" * (200 << 20)), True),
    "a gzip of a gzip": (gzip.compress(gzip.compress(b"\0" * (400 << 20))), True),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_moves_the_process_less_than_ten_times_the_cap(name: str, process: Process) -> None:
    body, packed = BOMBS[name]
    with process.growth(f"{name} ({len(body)} bytes)", BAR_MIB):
        status = process.post(body, **({"content_encoding": "gzip"} if packed else {}))
    assert status in {200, 400, 413}
    assert process.post(b"") == 200


def nested(levels: int, number: int) -> bytes:
    """An AnyValue in an AnyValue in an …: lists (5), or maps of one key (6)."""
    value = b"\x0a\x01x"
    for _ in range(levels):
        inner = value if number == 5 else field(0x0A, b"k") + field(0x12, value)
        value = field(number << 3 | 2, field(0x0A, inner))
    return value


def one_span(*attributes: bytes, rest: bytes = b"") -> bytes:
    ids = field(0x0A, b"T" * 16) + field(0x12, b"S" * 8)
    span = ids + rest + b"".join(field(0x4A, one) for one in attributes)
    return field(0x0A, field(0x12, field(0x12, span)))


def said(key: str, value: bytes) -> bytes:
    return field(0x0A, key.encode()) + field(0x12, value)


MODEL = "gen_ai.request.model"
FILL = CAP - 200
EMPTY_LIST = b"\x0a\x00"
SHAPES = {  # stream, body, and what it is answered
    "a list in a list, as deep as it goes": (
        "traces", one_span(said(MODEL, nested(400, 5))), {400},
    ),
    "a map in a map, as deep as it goes": ("traces", one_span(said(MODEL, nested(400, 6))), {400}),
    "depth under a name nobody reads": ("traces", one_span(said("x", nested(400, 6))), {200}),
    "a span of empty attributes": ("traces", one_span(rest=b"\x4a\x00" * (FILL // 2)), {413}),
    "a span of small attributes": (
        "traces", one_span(*[said(f"{n:x}", b"\x18\x01") for n in range(FILL // 20)]), {413},
    ),
    "an attribute of empty lists": (
        "traces", one_span(said(MODEL, field(0x2A, EMPTY_LIST * (FILL // 2)))), {413},
    ),
    "one text that fills it all": (
        "traces", one_span(said(MODEL, field(0x0A, b"m" * FILL))), {200},
    ),
    "a span of events": ("traces", one_span(rest=b"\x5a\x00" * (FILL // 2)), {413}),
    "a resource of empty attributes": (
        "traces", field(0x0A, field(0x0A, b"\x0a\x00" * (FILL // 2))), {413},
    ),
    "many tiny resources": ("traces", b"\x0a\x02\x0a\x00" * (FILL // 4), {413}),
    "many tiny scopes": ("traces", field(0x0A, b"\x12\x02\x0a\x00" * (FILL // 4)), {413}),
    "fields nobody knows, among known ones": (
        "traces", one_span(rest=b"\xa2\x06\x00\x30\x01" * (FILL // 5)), {413},
    ),
    "metrics of unknown fields among known ones": (
        "metrics", field(0x0A, b"\x1a\x00\x7a\x00" * (FILL // 4)), {413},
    ),
    "metrics without points": ("metrics", field(0x0A, field(0x12, b"\x12\x00" * MOST)), {200}),
    "a metric of empty points": (
        "metrics", field(0x0A, field(0x12, field(0x12, field(0x2A, b"\x0a\x00" * MOST)))), {200},
    ),
    "a histogram of buckets": (
        "metrics",
        field(0x0A, field(0x12, field(0x12, field(0x4A, field(0x0A, field(0x32, bytes(FILL))))))),
        {200},
    ),
    "groups without end": ("traces", b"\xa3\x06" * (FILL // 2), {400}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_costs_a_decoder_much_does_too(name: str, process: Process) -> None:
    stream, body, answers = SHAPES[name]
    assert len(body) <= CAP, "a body beyond the cap proves nothing"
    with process.growth(f"{name} ({len(body)} bytes)", BAR_MIB):
        status = process.post(body, stream)
    assert status in answers
    assert process.post(b"") == 200


JSON_BOMBS = {
    "lists": b'{"x":[' + b",".join([b"[]"] * 300_000) + b"]}",
    "objects": b'{"resourceSpans":[' + b",".join([b"{}"] * 60_000) + b"]}",
    "keys": b"{" + b",".join(b'"%x":{}' % n for n in range(60_000)) + b"}",
    "depth": b"[" * (1 << 20),
    "numbers": b'{"x":[' + b",".join([b"1.5"] * 250_000) + b"]}",
    "a number of a million digits": b'{"x":' + b"9" * 1_000_000 + b"}",
    "one key again and again": b"{" + b",".join([b'"x":1'] * 150_000) + b"}",
    "one list again and again": b"{" + b",".join([b'"resourceSpans":[]'] * 50_000) + b"}",
    "text of escapes": b'{"x":"' + b"\\u0000" * 170_000 + b'"}',
}


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_a_bomb_of_json_does_too(name: str, process: Process) -> None:
    with process.growth(f"JSON {name}", BAR_MIB):
        status = process.post(JSON_BOMBS[name], content_type="application/json")
    assert status in {200, 400, 413}


def test_a_bomb_over_grpc_does_too(process: Process) -> None:
    with (
        process.growth("gRPC", BAR_MIB),
        grpc.insecure_channel(
            f"127.0.0.1:{process.grpc_port}",
            compression=grpc.Compression.Gzip,
            options=[("grpc.max_send_message_length", -1)],
        ) as channel,
    ):
        for body in (b"\0" * (200 << 20), b"\x0a\x00" * (CAP // 2 - 10)):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{TRACES.service}/Export")(
                    body, metadata=[("authorization", f"Bearer {APP}")], timeout=60
                )
            assert caught.value.code() in {
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                grpc.StatusCode.INVALID_ARGUMENT,
            }


def test_many_bombs_at_once_stay_within_what_their_bodies_weigh(process: Process) -> None:
    """Bodies wait side by side, and are decoded one by one."""
    body, _ = BOMBS["as many empty spans as pass"]
    thread_mib = 1.0  # a worker's stack and its allocator's arena
    bar = BAR_MIB + 12 * (2 * len(body) / (1 << 20) + thread_mib)
    with process.growth("12 at once", bar), ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: process.post(body), range(24)))
    assert set(statuses) <= {200, 503}
