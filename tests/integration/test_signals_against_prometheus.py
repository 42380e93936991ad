"""Every kind of expression gives the same here as in a real Prometheus, on data made to annoy.

The data has counters with resets and gaps, series that end, come and go, timestamps with jitter,
samples exactly on window edges, and histograms with missing and falling buckets.

Against the newest Prometheus the agreement is to 1e-9, everywhere. Against 2.42 the documented
tolerance applies: its ranges are closed on the left (a sample exactly on the edge belongs to the
window), its lookback too, and it extrapolates to a counter's zero before, not after, it decides
whether the edge is near, which shows after a reset or near zero beside a gap. So there the
samples lie off the edges, counters begin high, and have either gaps or resets.
"""

import struct
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rigs import prometheus
from rigs.cache import RigUnavailable
from rigs.processes import Server

from store.dialect import Spelling
from store.embedded import EmbeddedStore
from store.prometheus import PrometheusStore
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.errors import StoreError
from vocabulary.expressions import (
    By,
    Increase,
    Last,
    Late,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
    Signal,
)
from vocabulary.samples import Frame, Sample, Series, labels_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

START = 1_750_000_000.0
SPAN = 3600.0
STALE = b"\x02\x00\x00\x00\x00\x00\xf0\x7f"
"""The one NaN that Prometheus takes for "this series ended"."""

REPLICA = ("model", "replica")
TOKENS, KV, RUNNING, TTFT = (
    m.OUTPUT_TOKENS,
    m.KV_CACHE_UTILIZATION,
    m.REQUESTS_RUNNING,
    m.TIME_TO_FIRST_TOKEN,
)
EXPRESSIONS = {
    "last": Last(RUNNING),
    "last of a matcher": Last(RUNNING, (("vantage", "engine"),)),
    "last of an absent label": Last(RUNNING, (("tenant", ""),)),
    **{f"rate {width}": Rate(TOKENS, width) for width in (20.0, 60.0, 300.0, 900.0)},
    **{f"increase {width}": Increase(TOKENS, width) for width in (45.0, 60.0, 600.0)},
    **{
        f"{how} over {width}": Over(how, KV, width)
        for how in ("max", "min", "avg", "count", "last")
        for width in (30.0, 300.0)
    },
    **{f"{how} by": By(how, Last(KV), ("model",)) for how in ("sum", "max", "min", "avg", "count")},
    "sum by of rates": By("sum", Rate(TOKENS, 60.0), REPLICA),
    "sum by nothing": By("sum", Rate(TOKENS, 60.0), ()),
    "by of by": By("max", By("sum", Rate(TOKENS, 120.0), REPLICA), ("model",)),
    "mean of a histogram": Ratio(
        By("sum", Rate(TTFT, 300.0, (), "sum"), REPLICA),
        By("sum", Rate(TTFT, 300.0, (), "count"), REPLICA),
        REPLICA,
    ),
    "ratio with zeros": Ratio(
        By("sum", Last(KV), REPLICA), By("sum", Last(RUNNING), REPLICA), REPLICA
    ),
    "scaled": Scaled(By("sum", Rate(TOKENS, 60.0), REPLICA), 3600.0),
    "ratio of scaled": Ratio(
        Scaled(By("sum", Last(KV), REPLICA), 0.5), By("max", Last(RUNNING), REPLICA), REPLICA
    ),
    **{
        f"quantile {q}": Quantile(q, TTFT, ("model",), 300.0)
        for q in (-0.5, 0.0, 0.37, 0.5, 0.95, 0.999, 1.0, 1.5)
    },
    "late share": Late(TTFT, 1.0, ("model",), 300.0),
    "average of late shares": By("avg", Late(TTFT, 1.0, REPLICA, 120.0), ("model",)),
    "quantile by replica": Quantile(0.95, TTFT, REPLICA, 120.0),
    "average of quantiles": By("avg", Quantile(0.9, TTFT, REPLICA, 120.0), ("model",)),
    **{signal.name: signal.expr for signal in signals.ALL},
}


@dataclass(frozen=True)
class Annoying:
    """Draws series from a seed; *tame* keeps off the points where 2.42 is known to differ."""

    rng: np.random.Generator
    tame: bool

    def samples(self) -> list[Sample]:
        found: list[Sample] = []
        for number in range(8):
            labels = {
                "replica": f"r{number}",
                "model": f"m{number % 3}",
                "pool": f"p{number % 3}",
                "vantage": "engine" if number % 4 else "gateway",
            }
            if number % 5 == 0:
                labels["tenant"] = 'a "quoted\\tenant'
            found += self.counter(Series(TOKENS.name, labels_of(labels)))
            found += self.gauge(Series(KV.name, labels_of(labels)), whole=False)
            found += self.gauge(Series(RUNNING.name, labels_of(labels)), whole=True)
            found += self.histogram(labels)
        return found

    def moments(self, *, whole: bool = False) -> np.ndarray:
        """Scrapes with jitter and, unless *whole*, gaps, a late beginning or an early end."""
        interval = float(self.rng.choice([5.0, 15.0, 30.0]))
        times = START + np.arange(0.0, SPAN, interval)
        if self.tame or self.rng.random() < 0.5:
            jitter = self.rng.integers(-900, 900, len(times))
            times = times + np.where(jitter % 250 == 0, 1, jitter) / 1000
        for _ in range(0 if whole else int(self.rng.integers(0, 4))):
            gap = START + self.rng.uniform(0, SPAN)
            times = times[(times < gap) | (times > gap + self.rng.choice([20, 70, 400]))]
        begin, end = sorted(self.rng.uniform(START, START + SPAN, 2))
        if not whole and self.rng.random() < 0.5 and end - begin > 300:
            times = times[(times >= begin) & (times <= end)]
        return np.round(times, 3)

    def stale(self, values: np.ndarray) -> np.ndarray:
        """Some ends of the series, as a staleness mark."""
        if len(values) > 20:
            values[self.rng.integers(1, len(values), int(self.rng.integers(0, 4)))] = np.nan
        return values

    def counting(self, count: int, *, resets: bool) -> np.ndarray:
        """A counter's values: whole or not, with resets, from zero or from high up."""
        steps = self.rng.gamma(0.5, 40.0, count) * (self.rng.random(count) < 0.7)
        values = np.cumsum(np.rint(steps) if self.rng.random() < 0.7 else steps)
        earliest = count // 2 if self.tame else 0
        for at in self.rng.integers(earliest, count, int(self.rng.integers(0, 3)) * resets):
            values[at:] -= values[at] * (1.0 if self.rng.random() < 0.7 else 0.5)
        high = self.tame or self.rng.random() < 0.3
        return values + (1e6 if high else 0.0)

    def gaps_and_resets(self) -> tuple[bool, bool]:
        """Both, or where that would show how 2.42 differs, one of the two."""
        gaps = not self.tame or bool(self.rng.random() < 0.5)
        return gaps, not self.tame or not gaps

    def counter(self, series: Series) -> list[Sample]:
        gaps, resets = self.gaps_and_resets()
        times = self.moments(whole=not gaps)
        values = self.counting(len(times), resets=resets)
        return _zipped(series, self.stale(values) if gaps else values, times)

    def gauge(self, series: Series, *, whole: bool) -> list[Sample]:
        times = self.moments()
        values = self.rng.uniform(0, 1, len(times))
        return _zipped(series, self.stale(np.floor(values * 3) if whole else values), times)

    def histogram(self, labels: dict[str, str]) -> list[Sample]:
        gaps, resets = self.gaps_and_resets()
        times = self.moments(whole=not gaps)
        bounds = [0.1, 0.5, 1.0, 2.5, np.inf]
        shares = self.rng.dirichlet(np.ones(len(bounds)))
        whole = [self.counting(len(times), resets=resets) for _ in shares]
        parts = np.floor(np.array(whole) * shares[:, None])
        cumulative = np.cumsum(parts, axis=0)
        found: list[Sample] = []
        for bound, row in zip(bounds, cumulative, strict=True):
            le = "+Inf" if np.isinf(bound) else str(bound)
            series = Series(f"{TTFT.name}_bucket", labels_of({**labels, "le": le}))
            kept = self.rng.random(len(times)) < (
                0.97 if gaps else 1.0
            )  # now and then a bucket is not there
            found += _zipped(series, row[kept], times[kept])
        total = Series(f"{TTFT.name}_count", labels_of(labels))
        summed = Series(f"{TTFT.name}_sum", labels_of(labels))
        return [
            *found,
            *_zipped(total, cumulative[-1], times),
            *_zipped(summed, cumulative[-1] * 0.7, times),
        ]


def _zipped(series: Series, values: np.ndarray, times: np.ndarray) -> list[Sample]:
    return [
        Sample(series, value, at) for value, at in zip(values.tolist(), times.tolist(), strict=True)
    ]


@dataclass(frozen=True)
class Both:
    """One set of samples in a real Prometheus and in the embedded store."""

    server: Server
    theirs: PrometheusStore
    ours: EmbeddedStore


@pytest.fixture(scope="module", params=prometheus.RELEASES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    release: str = request.param
    samples: list[Sample] = []
    for seed in range(3):
        drawn = Annoying(np.random.default_rng(seed), tame=release == prometheus.FLOOR).samples()
        samples += [
            Sample(Series(one.name, labels_of((*one.labels, ("cluster", f"c{seed}")))), value, at)
            for one, value, at in drawn
        ]
    folder: Path = tmp_path_factory.mktemp("signals")
    try:
        with (
            prometheus.serve(release=release, flags=["--storage.tsdb.retention.time=100y"]) as real,
            closing(EmbeddedStore(folder, retention_seconds=1e9)) as ours,
            closing(PrometheusStore(real.url)) as theirs,
        ):
            _remote_write(real, samples)
            samples.sort(key=lambda sample: sample.at)
            for first in range(0, len(samples), 5000):
                ours.append(samples[first : first + 5000])
            yield Both(real, theirs, ours)
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("step", [15.0, 17.5, 300.0])
def test_embedded_and_real_prometheus_agree(both: Both, name: str, step: float) -> None:
    signal = Signal(name, "1", "", EXPRESSIONS[name])
    end = START + SPAN + 400
    ours = both.ours.evaluate(signal, START - 30, end, step)
    theirs = both.theirs.evaluate(signal, START - 30, end, step)
    _assert_equal(ours, theirs)
    if name not in signals.BY_NAME:  # of the vocabulary's, only some have data here
        assert not theirs.empty, "agreement about nothing proves nothing"


def test_long_ranges_are_split_and_joined_without_a_seam(both: Both) -> None:
    signal = Signal("x", "1", "", Last(RUNNING))
    end = START + 23_000 * 0.1
    ours = both.ours.evaluate(signal, START, end, 0.1)
    theirs = both.theirs.evaluate(signal, START, end, 0.1)
    assert len(ours.times) > 2 * 11_000
    _assert_equal(ours, theirs)


def test_the_servers_own_words_reach_the_caller(both: Both) -> None:
    signal = Signal("x", "1", "", Ratio(Last(KV), Last(RUNNING), ("model",)))
    with pytest.raises(StoreError, match=r"duplicate series|many-to-many"):
        both.theirs.evaluate(signal, START + 600, START + 1200, 60)
    with pytest.raises(StoreError, match="more than one series"):
        both.ours.evaluate(signal, START + 600, START + 1200, 60)


def test_a_prometheus_with_raw_names_alone_answers_in_our_words(both: Both) -> None:
    running = Series("vllm:num_requests_running", labels_of({"model_name": "m", "pod": "p1"}))
    usage = {
        "vllm:kv_cache_usage_perc": labels_of({"model_name": "m", "pod": "p1"}),
        "vllm:gpu_cache_usage_perc": labels_of({"model_name": "m", "pod": "p2"}),
    }
    tokens = Series("vllm:generation_tokens_total", labels_of({"model_name": "m", "pod": "p1"}))
    samples = [Sample(running, 3.0, START), Sample(tokens, 10.0, START)]
    samples += [Sample(tokens, 10.0 + 2 * k, START + k) for k in range(1, 61)]
    samples += [Sample(Series(name, labels), 50.0, START) for name, labels in usage.items()]
    _remote_write(both.server, samples)

    def spelling(name: str, factor: float = 1.0) -> Spelling:
        return Spelling(
            name, {"model": "model_name", "replica": "pod"}, {"vantage": "engine"}, factor=factor
        )

    dialect = {
        RUNNING.name: (spelling("vllm:num_requests_running"),),
        TOKENS.name: (spelling("vllm:generation_tokens_total"),),
        KV.name: tuple(spelling(name, 0.01) for name in usage),
    }
    with closing(PrometheusStore(both.server.url, dialect=dialect)) as theirs:
        found = {
            signal.name: theirs.evaluate(signal, START + 60, START + 60, 1.0)
            for signal in (signals.RUNNING, signals.KV_USAGE, signals.OUTPUT_TOKEN_RATE)
        }
    first, second = (
        labels_of({"model": "m", "replica": pod, "vantage": "engine"}) for pod in ("p1", "p2")
    )
    assert {name: frame.labels for name, frame in found.items()} == {
        "requests_running": (first,),
        "kv_cache_utilization": (first, second),  # one pod per spelling, old and new
        "output_tokens_per_second": (first,),
    }
    assert found["requests_running"].values.tolist() == [[3.0]]
    assert found["kv_cache_utilization"].values.tolist() == [[0.5], [0.5]]
    np.testing.assert_allclose(found["output_tokens_per_second"].values, [[2.0]], rtol=0.02)


def _assert_equal(ours: Frame, theirs: Frame) -> None:
    assert ours.labels == theirs.labels
    np.testing.assert_array_equal(ours.times, theirs.times)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-9, atol=1e-12)


# -- remote write 1.0 by hand: protobuf, in snappy's framing of literals ---------------------------


def _remote_write(server: Server, samples: list[Sample]) -> None:
    by_series: dict[Series, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        by_series.setdefault(sample.series, []).append(sample)
    body = b"".join(_field(1, _time_series(series, own)) for series, own in by_series.items())
    request = urllib.request.Request(
        f"{server.url}/api/v1/write",
        data=_snappy(body),
        headers={
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert answer.status in {200, 204}


def _time_series(series: Series, samples: list[Sample]) -> bytes:
    labels = sorted([("__name__", series.name), *series.labels])
    written = [
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels
    ]
    for _, value, at in samples:
        number = STALE if np.isnan(value) else struct.pack("<d", value)
        written.append(_field(2, b"\x09" + number + b"\x10" + _varint(round(at * 1000))))
    return b"".join(written)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _snappy(data: bytes) -> bytes:
    """Uncompressed literals of up to 64 KiB are valid snappy."""
    pieces = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    literals = [b"\xf4" + struct.pack("<H", len(piece) - 1) + piece for piece in pieces]
    return _varint(len(data)) + b"".join(literals)
