"""How fast the embedded store takes samples and answers, and what a sample costs on disk.

    python benchmarks/store.py [--replicas 60]

Prints one JSON object. The fleet is made up, the names are the vocabulary's: each replica bears
every engine metric, each GPU every gauge; values move as counters, gauges and histograms do.
Times are wall-clock, the best of three where a question is asked again.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from store.embedded import FILE, EmbeddedStore
from store.remembering import Remembering
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.expressions import By, Rate, Signal
from vocabulary.metrics import Kind
from vocabulary.samples import Sample, Series, labels_of

NOW = 1_750_000_000.0
STEP = 15.0
HISTORY_STEP = 300.0
HISTORY_MOMENTS = 14 * 86_400 // 300
BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")


def fleet(replicas: int) -> list[Series]:
    """Series of *replicas* engines and their GPUs."""
    found: list[Series] = []
    for number in range(replicas):
        labels = {
            "cluster": "c1", "namespace": "llm", "pod": f"vllm-{number}", "node": f"n{number // 8}",
            "pool": f"llm/p{number % 5}", "model": f"m{number % 5}", "engine": "vllm",
            "replica": f"c1/llm/uid-{number}/vllm", "vantage": "engine", "version": "0.13.0",
        }  # fmt: skip
        for metric in m.ALL:
            if metric.kind is Kind.HISTOGRAM:
                found += [
                    Series(f"{metric.name}_bucket", labels_of({**labels, "le": bound}))
                    for bound in BOUNDS
                ]
                for part in ("sum", "count"):
                    found.append(Series(f"{metric.name}_{part}", labels_of(labels)))
            elif not metric.name.startswith(("tidegauge_gateway", "tidegauge_cost")):
                found.append(Series(metric.name, labels_of({**labels, "gpu": f"GPU-{number}"})))
    return found


def movement(series: list[Series], moments: int) -> np.ndarray:
    """Values of *series* over time, shape (moments, series)."""
    rng = np.random.default_rng(1)
    steps = rng.poisson(40, (moments, len(series))).astype(np.float64)
    counting = np.array([m.BY_SERIES_NAME[one.name].kind is not Kind.GAUGE for one in series])
    gauges = np.round(rng.normal(0.6, 0.1, (moments, len(series))), 3)
    return np.where(counting, np.cumsum(steps, axis=0), gauges)


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """The shortest of *times* runs."""
    shortest = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        action()
        shortest = min(shortest, time.perf_counter() - begun)
    return shortest


def history(count: int, *, whole: bool) -> Iterator[tuple[Series, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(2)
    times = NOW - HISTORY_STEP * np.arange(HISTORY_MOMENTS, 0, -1)
    for number in range(count):
        steps = rng.poisson(900, HISTORY_MOMENTS) if whole else rng.gamma(9, 100, HISTORY_MOMENTS)
        name = m.OUTPUT_TOKENS.name if whole else m.COST.name
        yield Series(name, labels_of({"tenant": f"t{number}"})), times, np.cumsum(steps)


def live(folder: Path, replicas: int) -> dict[str, float]:
    """Ninety minutes of scrapes, and every signal over the last thirty."""
    series, moments = fleet(replicas), 360
    scrapes = [
        [Sample(one, value, NOW + STEP * row) for one, value in zip(series, values, strict=True)]
        for row, values in enumerate(movement(series, moments).tolist())
    ]
    with closing(EmbeddedStore(folder)) as store:
        appends = [seconds(lambda scrape=scrape: store.append(scrape)) for scrape in scrapes]
        end = NOW + STEP * (moments - 1)

        def ask_all() -> None:
            for signal in signals.ALL:
                store.evaluate(signal, end - 1800, end, STEP)

        asking = seconds(ask_all, 3)
        ticking = next_ticks(store, series, end)
    opening = seconds(lambda: EmbeddedStore(folder).close())
    return {
        "series": len(series),
        "append_samples_per_second": round(len(series) * moments / sum(appends)),
        "append_milliseconds_median": round(float(np.median(appends)) * 1000, 2),
        "append_milliseconds_slowest": round(max(appends) * 1000, 2),
        "signals": len(signals.ALL),
        "all_signals_30min_at_15s_seconds": round(asking, 4),
        "all_signals_30min_next_tick_seconds": round(ticking, 4),
        "open_after_restart_seconds": round(opening, 3),
        "bytes_per_live_sample": round(_chunk_bytes(folder), 2),
    }


def next_ticks(store: EmbeddedStore, series: Sequence[Series], end: float) -> float:
    """One more scrape, and every signal asked for as at the tick before; the middle of five."""
    remembering, took = Remembering(store), []
    for tick in range(8):
        now = end + STEP * tick
        store.append([Sample(one, 1e9 + tick, now) for one in series])

        def ask_all(now: float = now) -> None:
            for signal in signals.ALL:
                remembering.evaluate(signal, now - 1800, now, STEP)

        took.append(seconds(ask_all))
    return float(np.median(took[3:]))


def loaded(folder: Path) -> dict[str, float]:
    """Two weeks at five minutes: loading a thousand series, looking back over a hundred."""
    with closing(EmbeddedStore(folder)) as store:
        loading = seconds(lambda: store.append_columns(history(900, whole=True)))
        loading += seconds(lambda: store.append_columns(history(100, whole=False)))
        spend = Signal("x", "", "", By("sum", Rate(m.COST, 900.0), ("tenant",)))

        def look_back() -> None:
            store.evaluate(spend, NOW - 14 * 86_400, NOW, HISTORY_STEP)

        cold, warm = seconds(look_back), seconds(look_back, 3)
    size = (folder / FILE).stat().st_size
    return {
        "history_samples": 1000 * HISTORY_MOMENTS,
        "history_load_seconds": round(loading, 3),
        "history_bytes_per_sample": round(size / (1000 * HISTORY_MOMENTS), 2),
        "look_back_100_series_14d_cold_seconds": round(cold, 4),
        "look_back_100_series_14d_warm_seconds": round(warm, 4),
    }


def _chunk_bytes(folder: Path) -> float:
    with closing(EmbeddedStore(folder, read_only=True)) as store:
        # The log of batches is short-lived; what stays is chunks.
        [(total, samples)] = store._reading._rows(
            "SELECT sum(length(body)) + 40 * count(*), sum(samples) FROM chunk"
        )
    return float(total) / float(samples)


def measure(replicas: int = 30) -> dict[str, float]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        return live(Path(folder) / "live", replicas) | loaded(Path(folder) / "history")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=30)
    print(json.dumps(measure(parser.parse_args().replicas), indent=2))


if __name__ == "__main__":
    main()
