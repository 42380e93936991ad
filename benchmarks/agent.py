"""What reading a page costs: parsing, translating, and the whole round over loopback.

    python benchmarks/agent.py [--rounds 200]

Prints one JSON object. The page is vLLM 0.33's with four engines, and its values move from scrape
to scrape as those of a busy server do. The reference is prometheus_client's parser, in the same
run on the same pages. Times are the median of the rounds, in microseconds of wall time a sample.
"""

import argparse
import json
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prometheus_client.parser import text_string_to_metric_families

from collectors._exposition import Memory, parse
from collectors._reading import PageReader
from collectors.vllm import Vllm
from service.reach import HttpReach
from vocabulary.contracts import Target

PAGES = Path(__file__).resolve().parent.parent / "tests" / "collectors" / "pages"
PAGE = PAGES / "vllm-0.33.0-derived.prom"
TARGET = (("cluster", "c1"), ("replica", "c1/llm/uid-1/vllm"), ("pool", "llm/llama"))


def pages(scrapes: int) -> list[bytes]:
    """The page with four engines, at *scrapes* moments."""
    lines: list[str] = []
    for line in PAGE.read_text().splitlines():
        lines.append(line)
        if 'engine="' in line:
            number = re.search(r'engine="(\d)"', line)
            assert number is not None
            lines.append(line.replace(number[0], f'engine="{int(number[1]) + 2}"'))
    moved = []
    for scrape in range(scrapes):
        text = [
            line if line.startswith("#") else _moved(line, scrape + position % 7)
            for position, line in enumerate(lines)
        ]
        moved.append(("\n".join(text) + "\n").encode())
    return moved


def _moved(line: str, by: int) -> str:
    series, _, value = line.rpartition(" ")
    return f"{series} {float(value) + by!r}"


def per_sample(action: Callable[[bytes], object], bodies: list[bytes], samples: int) -> float:
    """Median microseconds a sample over *bodies*."""
    times = []
    for body in bodies:
        begun = time.perf_counter()
        action(body)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) / samples * 1e6


def reference(body: bytes) -> int:
    return sum(len(family.samples) for family in text_string_to_metric_families(body.decode()))


def over_loopback(bodies: list[bytes], rounds: int) -> float:
    """Median milliseconds of fetching, parsing and translating one target."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies[len(times) % len(bodies)]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    times: list[float] = []
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = Target(f"http://127.0.0.1:{server.server_port}/metrics", TARGET)
    reader, reach = PageReader({"vllm": Vllm()}), HttpReach()
    for _ in range(rounds):
        begun = time.perf_counter()
        reading = reader.read(target, reach, 0.0)
        times.append(time.perf_counter() - begun)
        assert reading.verdict == "ok", reading.detail
    server.shutdown()
    server.server_close()
    return statistics.median(times) * 1e3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    rounds = arguments.parse_args().rounds
    bodies = pages(rounds)
    memory, collector = Memory(), Vllm()
    first = parse(bodies[0], memory=memory)
    samples = len(first.values)
    given = collector.translate(first, TARGET, 0.0)

    known = per_sample(lambda body: parse(body, memory=memory), bodies, samples)
    fresh = per_sample(lambda body: parse(body, memory=Memory()), bodies[:20], samples)
    both = per_sample(
        lambda body: collector.translate(parse(body, memory=memory), TARGET, 0.0), bodies, samples
    )
    theirs = per_sample(reference, bodies[:20], samples)
    figures = {
        "samples_on_the_page": samples,
        "bytes_of_the_page": len(bodies[0]),
        "series_of_ours": len(given),
        "parse_us_per_sample": round(known, 3),
        "parse_and_translate_us_per_sample": round(both, 3),
        "parse_never_seen_us_per_sample": round(fresh, 3),
        "prometheus_client_us_per_sample": round(theirs, 3),
        "times_faster_than_prometheus_client": round(theirs / known, 1),
        "times_faster_translated": round(theirs / both, 1),
        "one_target_over_loopback_ms": round(over_loopback(bodies, rounds), 3),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
