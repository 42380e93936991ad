"""What OTLP costs: spans to ledger rows, samples to requests, and bombs to memory.

    python benchmarks/otlp.py [--spans 40000] [--series 10000]

Prints one JSON object. Spans are GenAI spans of 13 attributes (some 530 bytes) with random ids,
a thousand to a request; CPU is that of the whole process, from the body to the acknowledged row
(`fsync` included). Beside it, in the same run: the official decoder alone, and the same walked to
plain values as any reader of it must. Series are those of a fleet of engines, encoded round after
round by us and by OpenTelemetry's SDK with its own encoder. Bombs go to a server of their own.
"""

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_bodies.official import Beginnings, as_otlp, encoded
from otlp_bodies.plain_spans import PlainSpans
from otlp_bodies.served import APP

from benchmarks.store import fleet
from metering.ledger import Ledger
from metering.prices import load_book
from service.clock import ManualClock
from service.otlp.identity import Tenants
from service.otlp.limits import Limits
from service.otlp.receiver import Receiver, Sinks
from service.otlp.streams import TRACES
from service.otlp_points import Encoder
from vocabulary.samples import Sample, Series

ROOT = Path(__file__).resolve().parent.parent
NOW = 1_795_426_000.0
BATCH = 1000
RESOURCE = {"service.name": "chat", "service.namespace": "team-a", "k8s.pod.name": "chat-0",
            "telemetry.sdk.language": "python", "telemetry.sdk.version": "1.45.2"}  # fmt: skip


def span_bodies(spans: int) -> list[bytes]:
    rng = random.Random(7)
    return [_body(rng) for _ in range(spans // BATCH)]


def _body(rng: random.Random) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in RESOURCE.items():
        group.resource.attributes.add(key=key).value.string_value = value
    scoped = group.scope_spans.add()
    scoped.scope.name = "opentelemetry.instrumentation.openai_v2"
    for _ in range(BATCH):
        span = scoped.spans.add(name="chat gpt-4o", kind=3)  # type: ignore[arg-type]
        span.trace_id, span.span_id = rng.randbytes(16), rng.randbytes(8)
        span.start_time_unix_nano = int((NOW - 600 * rng.random()) * 1e9)
        span.end_time_unix_nano = span.start_time_unix_nano + int(2e9 * rng.random())
        texts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": f"chatcmpl-{rng.randbytes(12).hex()}",
            "server.address": "api.openai.com",
            "gen_ai.conversation.id": f"conversation-{rng.randrange(2000)}",
            "gen_ai.agent.id": f"agent-{rng.randrange(20)}",
        }
        numbers = {
            "server.port": 443,
            "gen_ai.usage.input_tokens": rng.randrange(8000),
            "gen_ai.usage.output_tokens": rng.randrange(1000),
            "gen_ai.usage.cache_read.input_tokens": 128 * rng.randrange(9),
        }
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
        for key, number in numbers.items():
            span.attributes.add(key=key).value.int_value = number
        reasons = span.attributes.add(key="gen_ai.response.finish_reasons")
        reasons.value.array_value.values.add(string_value="stop")
    return request.SerializeToString()


def rate(action: Callable[[], object], items: int) -> tuple[int, int]:
    """Items a second of CPU, and of wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return (
        round(items / (time.process_time() - cpu)),
        round(items / (time.perf_counter() - wall)),
    )


def spans_in(spans: int) -> dict[str, float]:
    bodies = span_bodies(spans)
    plain = PlainSpans(Tenants())
    alone, _ = rate(lambda: [ExportTraceServiceRequest.FromString(one) for one in bodies], spans)
    walked, _ = rate(
        lambda: [
            plain.take(ExportTraceServiceRequest.FromString(one), False, NOW) for one in bodies
        ],
        spans,
    )
    figures: dict[str, float] = {
        "span_bytes": round(len(bodies[0]) / BATCH),
        "official_decoder_alone_spans_per_core_second": alone,
        "official_decoder_walked_to_usage_spans_per_core_second": walked,
    }
    for senders in (1, 8):
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "usage.sqlite", load_book())
            sinks = Sinks(len, lambda rows, book=ledger: book.record(rows, NOW).new, len)
            receiver = Receiver(sinks, ManualClock(NOW))
            with ThreadPoolExecutor(senders) as pool:

                def send(receiver: Receiver = receiver, pool: ThreadPoolExecutor = pool) -> None:
                    list(pool.map(lambda one: receiver.take(TRACES, one, False), bodies))

                cpu, wall = rate(send, spans)
            kept = sum(total.attempts for total in ledger.totals(NOW - 9999, NOW + 9999))
            assert kept == spans, f"{kept} of {spans} spans are in the ledger"
            ledger.close()
        figures[f"spans_to_ledger_rows_per_core_second_{senders}_senders"] = cpu
        figures[f"spans_to_ledger_rows_per_wall_second_{senders}_senders"] = wall
    return figures


def _rounds(count: int, rounds: int) -> list[list[Sample]]:
    series: list[Series] = fleet(1 + count // 100)[:count]
    series += [Series(one.name, (*one.labels, ("zone", "b"))) for one in series]
    series = series[:count]
    return [
        [Sample(one, float(1000 * moment), NOW + 15.0 * moment) for one in series]
        for moment in range(1, rounds + 1)
    ]


def _per_series(action: Callable[[Sequence[Sample]], object], rounds: list[list[Sample]]) -> float:
    """Median microseconds of CPU a series, once every series is known."""
    times = []
    for samples in rounds:
        begun = time.process_time()
        action(samples)
        times.append((time.process_time() - begun) / len(samples) * 1e6)
    return round(statistics.median(times[1:]), 3)


def samples_out(count: int) -> dict[str, float]:
    rounds = _rounds(count, 6)
    encoder, packing = Encoder(), Encoder()
    theirs, official = Beginnings(), Beginnings()
    size = sum(map(len, encoder.encode(rounds[0])))
    return {
        "series": len(rounds[0]),
        "export_bytes": size,
        "encode_us_per_series": _per_series(encoder.encode, rounds),
        "encode_and_gzip_us_per_series": _per_series(
            lambda samples: [gzip.compress(one, 1) for one in packing.encode(samples)], rounds
        ),
        "sdk_points_us_per_series": _per_series(lambda some: as_otlp(some, theirs), rounds),
        "sdk_points_and_encoder_us_per_series": _per_series(
            lambda some: encoded(some, official).SerializeToString(), rounds
        ),
    }


def _field(tag: int, payload: bytes) -> bytes:
    length, size = bytearray(), len(payload)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag]) + bytes([*length, size]) + payload


def _bombs() -> dict[str, tuple[bytes, bool, str]]:
    cap, most = Limits().max_body_bytes, Limits().max_messages - 10
    room = cap - 200
    protobuf, as_json = "application/x-protobuf", "application/json"

    def span(content: bytes) -> bytes:
        return _field(0x0A, _field(0x12, _field(0x12, content)))

    listed = _field(0x0A, b"gen_ai.request.model") + _field(
        0x12, _field(0x2A, b"\x0a\x00" * (room // 2))
    )
    return {
        "empty spans": (_field(0x0A, _field(0x12, b"\x12\x00" * most)), False, protobuf),
        "empty attributes": (span(b"\x4a\x00" * (room // 2)), False, protobuf),
        "empty lists": (span(_field(0x4A, listed)), False, protobuf),
        "tiny resources": (b"\x0a\x02\x0a\x00" * (room // 4), False, protobuf),
        "gzip of 200 MB": (gzip.compress(b"\0" * (200 << 20)), True, protobuf),
        "gzip of empty messages": (gzip.compress(b"\x0a\x00" * (8 << 20)), True, protobuf),
        "JSON lists": (b'{"x":[' + b",".join([b"[]"] * 300_000) + b"]}", False, as_json),
        "JSON numbers": (b'{"x":[' + b",".join([b"1.5"] * 250_000) + b"]}", False, as_json),
    }


def bombs() -> dict[str, object]:
    """Peak growth of a fresh server's memory for each bomb, in MiB, and what it was answered."""
    found: dict[str, object] = {"body_cap_mib": Limits().max_body_bytes / 2**20}
    for name, (body, packed, media) in _bombs().items():
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        with subprocess.Popen(
            [sys.executable, "-m", "otlp_bodies.served"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as server:  # fmt: skip
            assert server.stdin
            assert server.stdout
            port = int(server.stdout.readline().split()[0])
            headers = {"content-type": media, "authorization": f"Bearer {APP}"}
            url = f"http://127.0.0.1:{port}/v1/traces"
            plain = {**headers, "content-type": "application/x-protobuf"}
            httpx2.post(url, content=b"", headers=plain, trust_env=False)
            if packed:
                headers["content-encoding"] = "gzip"
            before = _mib(server.pid, "VmRSS")
            answer = httpx2.post(url, content=body, headers=headers, timeout=60, trust_env=False)
            grown = _mib(server.pid, "VmHWM") - before
            server.stdin.close()
            server.wait(20)
        found[name] = {
            "bytes": len(body), "status": answer.status_code, "grown_mib": round(grown, 1),
        }  # fmt: skip
    return found


def _mib(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {what} in /proc")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--spans", type=int, default=40_000)
    arguments.add_argument("--series", type=int, default=10_000)
    chosen = arguments.parse_args()
    figures: dict[str, object] = {**spans_in(chosen.spans), **samples_out(chosen.series)}
    if Path("/proc/self/status").exists():
        figures["bombs"] = bombs()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
