"""Five kinds of servers and a gateway tell of the same work, each in its own words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collectors
from collectors._reading import PageCollector, PageReader
from service.reach import HttpReach
from simulator.cluster import ClusterSpec, NodeSpec, PoolSpec
from simulator.doors import Doors
from simulator.engine import Engine
from simulator.engine_presets import PRESETS
from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.gpus import L40S
from simulator.history import history
from simulator.pages.servers import SERVERS
from simulator.pages.text import Writer
from simulator.requests import Request
from simulator.tallies import Tally
from simulator.traffic import Stream, Tenant
from simulator.world import World
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Page, Reach, Target
from vocabulary.discovery import discover
from vocabulary.metrics import Metric
from vocabulary.pods import OfferedDevice, Pod
from vocabulary.samples import Sample, labels_of

NOON = 1_795_608_000.0
RECORDED = Path(__file__).parents[1] / "collectors" / "pages"
MODEL = PRESETS["llama-2-7b-fp8-l40s"]
READERS: Mapping[str, PageCollector] = {
    name: cls()
    for name, cls in discover(collectors, Collector).items()  # type: ignore[type-abstract]
    if issubclass(cls, PageCollector)
}
MIXED = ClusterSpec(
    name="mixed",
    nodes=(NodeSpec("n1", L40S, len(SERVERS)),),
    pools=tuple(
        PoolSpec(
            f"{server}-7b", server, f"{server}-7b", "1.0", L40S, 1, 1, MODEL,
            Decimal("0.1"), Decimal("0.3"), Decimal("0.02"),
        )
        for server in SERVERS
    ),
    tenants=(Tenant("t"),),
    streams=tuple(
        Stream("t", f"{server}-7b", "conversation", 0.7, cached=0.3) for server in SERVERS
    ),
    warm_up=120.0,
)  # fmt: skip


def busy(server: str) -> Engine:
    """After two minutes of work, with a queue: the same for every server."""
    tally = Tally(0.0, MODEL.max_context, SERVERS[server].bounds)
    engine = Engine(replace(MODEL, max_requests=24), np.random.default_rng(1), 0.0, tally)
    for number in range(300):
        engine.submit(Request(number, number * 0.05, 600 + number, 80 + number % 40, 128))
    engine.advance(12.0)
    return engine


def read(server: str, engine: Engine) -> dict[tuple[str, str], float]:
    """What the real collector makes of the page, by name and the labels that are its own."""
    body = SERVERS[server].render(Writer(server, SERVERS[server].created), engine, "m", 12.0)
    target = Target("http://simulated/x", labels_of({"replica": "c/n/u/x", "model": "m"}))
    reading = PageReader(READERS).read(target, Once(body), 12.0)
    assert reading.verdict == "ok", reading.detail
    assert reading.collector == server
    return {(one.series.name, own(one)): one.value for one in reading.samples}


def own(sample: Sample) -> str:
    known = ("finish_reason", "le", "error_type")
    return ",".join(f"{k}={v}" for k, v in sample.series.labels if k in known)


class Still:
    """A clock that stands."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Nothing moves."""


class Once:
    """A page that is there."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @property
    def nvml(self) -> Any:
        raise AssertionError("a page is asked for")

    @property
    def pods(self) -> Sequence[Pod]:
        return ()

    def offered(self, driver: str, pool: str, device: str) -> OfferedDevice | None:
        raise AssertionError(f"nobody asks for {driver}/{pool}/{device}")

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        return Page(self.body, "text/plain; version=0.0.4", 200, 0.001)


def value(found: Mapping[tuple[str, str], float], metric: Metric, part: str = "") -> float | None:
    """Summed over what it is split by; None where the page does not tell."""
    name = f"{metric.name}_{part}" if part else metric.name
    hits = [one for (at, _own), one in found.items() if at == name]
    return sum(hits) if hits else None


@pytest.fixture(name="told", scope="module")
def _told() -> dict[str, dict[tuple[str, str], float]]:
    return {server: read(server, busy(server)) for server in SERVERS}


def test_load_is_told_alike_by_every_server(
    told: dict[str, dict[tuple[str, str], float]],
) -> None:
    engine = busy("vllm")
    assert engine.running
    assert engine.queued
    for server, found in told.items():
        assert value(found, m.REQUESTS_RUNNING) == engine.running, server
        assert value(found, m.REQUESTS_WAITING) == engine.queued, server


def test_the_cache_is_told_alike_by_those_that_tell_of_it(
    told: dict[str, dict[tuple[str, str], float]],
) -> None:
    usage = busy("vllm").kv_usage
    tell = {server for server, one in told.items() if value(one, m.KV_CACHE_UTILIZATION)}
    assert tell == {"vllm", "sglang", "trtllm"}
    for server in tell:
        assert value(told[server], m.KV_CACHE_UTILIZATION) == pytest.approx(usage), server
        capacity = value(told[server], m.KV_CACHE_CAPACITY)
        assert capacity == pytest.approx(MODEL.kv_tokens, abs=32), server


@pytest.mark.parametrize(
    ("metric", "silent"),
    [
        (m.TIME_TO_FIRST_TOKEN, ("llamacpp", "tgi")),
        (m.TIME_PER_OUTPUT_TOKEN, ("llamacpp",)),
        (m.REQUEST_DURATION, ("llamacpp",)),
        (m.QUEUE_DURATION, ("llamacpp",)),
        (m.INTER_TOKEN_LATENCY, ("llamacpp", "tgi", "trtllm")),
    ],
    ids=str,
)
def test_latencies_have_one_count_and_sum_and_each_server_s_own_buckets(
    told: dict[str, dict[tuple[str, str], float]], metric: Metric, silent: tuple[str, ...]
) -> None:
    speaking = {server for server in told if value(told[server], metric, "count") is not None}
    assert speaking == set(SERVERS) - set(silent)
    for part in ("count", "sum"):
        seen = {server: value(told[server], metric, part) for server in speaking}
        assert len({round(one or 0.0, 6) for one in seen.values()}) == 1, seen


def test_tokens_and_ends_are_those_of_the_engine_at_the_moment_each_server_counts(
    told: dict[str, dict[tuple[str, str], float]],
) -> None:
    tally = busy("vllm").tally
    ended, so_far = tally.output_length.total, float(tally.generated_tokens)
    assert ended < so_far
    made = {server: value(one, m.OUTPUT_TOKENS) for server, one in told.items()}
    assert made == {
        "vllm": so_far, "llamacpp": ended, "trtllm": ended, "tgi": ended,
        "sglang": so_far - tally.to_first_token.count,
    }  # fmt: skip
    for server in set(SERVERS) - {"llamacpp"}:
        ends = value(told[server], m.REQUESTS_FINISHED)
        assert ends == tally.whole.count, server


def shapes(text: str) -> dict[str, tuple[set[tuple[str, ...]], list[float]]]:
    """Labels and bounds by family."""
    found: dict[str, tuple[set[tuple[str, ...]], list[float]]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            found[name] = (set(), [])
        elif line and not line.startswith("#"):
            pairs = dict(re.findall(r'(\w+)="([^"]*)"', line))
            bound = pairs.pop("le", "")
            found[name][0].add(tuple(sorted(pairs)))
            if bound not in ("", "+Inf") and float(bound) not in found[name][1]:
                found[name][1].append(float(bound))
    return found


@pytest.mark.parametrize(
    ("server", "recording"),
    [
        ("sglang", "sglang-0.5.23-derived"),
        ("trtllm", "trtllm-serve-050f80d-derived"),
        ("tgi", "tgi-3-derived"),
    ],
)
def test_families_labels_and_bounds_are_those_of_the_server_s_own_code(
    server: str, recording: str
) -> None:
    writer = Writer(server, SERVERS[server].created)
    ours = shapes(SERVERS[server].render(writer, busy(server), "m", 12.0).decode())
    real = shapes((RECORDED / f"{recording}.prom").read_text())
    assert [one for one in real if not one.endswith("_created")] == [
        one for one in ours if not one.endswith("_created")
    ]
    for name, (labels, bounds) in ours.items():
        if labels and real[name][0]:
            assert labels == real[name][0], name
        if bounds and real[name][1]:
            assert bounds == pytest.approx(real[name][1], rel=1e-9), name


@pytest.fixture(name="mixed", scope="module")
def _mixed() -> World:
    return World(3, NOON, MIXED)


def everything(world: World, reach: Reach, targets: list[Target]) -> list[Sample]:
    found: list[Sample] = []
    for target in targets:
        reading = PageReader(READERS).read(target, reach, world.now)
        assert reading.verdict == "ok", (target.url, reading.detail)
        found += reading.samples
    return found


def test_pages_over_sockets_and_without_give_the_same_samples(mixed: World) -> None:
    fast = everything(mixed, SimulatedReach(mixed), page_targets(mixed))
    with Doors(mixed, Still(mixed.now)) as doors:
        slow = everything(mixed, HttpReach(), page_targets(mixed, doors.url))
    assert {one.series.label("engine") for one in fast} == {*SERVERS, "litellm"}
    assert slow == fast


def test_history_straight_to_the_store_ends_where_the_pages_begin() -> None:
    """Every counter, of every server: the value that a page shows at the start."""
    world = World(4, NOON, MIXED)
    assert node_targets(world)
    _coarse, fine = history(world, span=86_400.0)
    live = {
        one.series: one.value
        for one in everything(world, SimulatedReach(world), page_targets(world))
    }
    engines = [series for series in fine.series if series.label("vantage")]
    assert not set(engines) - set(live), "history knows no series that no page has"
    checked = set()
    for at, series in enumerate(fine.series):
        if series in live and series.name.endswith(("_total", "_count", "_sum")):
            before, last = fine.values[at][-2:]
            assert last <= live[series] + 1e-6, series
            expected = last + (last - before)
            assert live[series] == pytest.approx(expected, rel=1e-3, abs=1.0), series
            checked.add(series.label("engine"))
    assert checked == {*SERVERS, "litellm"}


def test_one_seed_writes_every_server_s_page_again_byte_for_byte() -> None:
    first, again = World(5, NOON, MIXED), World(5, NOON, MIXED)
    for world in (first, again):
        world.advance(NOON + 90.0)
    pages = {door.name: first.page(door.name) for door in first.targets()}
    assert len(pages) == len(SERVERS) + 1
    assert pages == {door.name: again.page(door.name) for door in again.targets()}
