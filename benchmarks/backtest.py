"""How fast `tidegauge backtest` reads history: samples replayed a CPU second, on one core.

    python benchmarks/backtest.py [--minutes 30] [--times 1,8] [--profile FILE]

Prints one JSON object. The history is a calm stretch of the simulated demo cluster, collected by
the real agent every 15 s; `--times` lays the same series side by side under other names, which
makes a fleet so many times as large. A sample counts once, however many signals read it; imports
and the making of the history are not counted, reading and decoding the store are. All of the
`replay` is: signals, fleet, detectors and desk at each tick.
"""

import argparse
import cProfile
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from service.assembly import STORE_FOLDER, all_detectors
from service.backtest.past import of_data_folder
from service.backtest.replay import replay
from service.backtest.span import Span
from service.config import Config, load
from service.drill.case import calm
from service.drill.chain import Chain
from store.asking import Asking
from store.embedded import EmbeddedStore
from vocabulary.expressions import Signal
from vocabulary.metrics import BY_SERIES_NAME
from vocabulary.samples import Array, Frame, Series, labels_of

INTERVAL = 15.0
NAMED = ("replica", "pool", "model", "gpu", "node", "tenant", "pod", "target")
"""Labels that tell one copy of a fleet from another."""


def recorded(folder: Path, minutes: float) -> Span:
    """A calm stretch of the demo cluster in *folder*, as a live server leaves it."""
    case = calm(1, minutes / 60.0)
    chain = Chain.over(case, folder)
    try:
        chain.run(case.start + case.seconds)
    finally:
        chain.close()
    return Span(case.start, case.start + case.seconds, INTERVAL)


def columns(folder: Path) -> Iterator[tuple[Series, Array, Array]]:
    """Every series of a data folder with its times in seconds."""
    with closing(EmbeddedStore(folder / STORE_FOLDER, read_only=True)) as store:
        for name in BY_SERIES_NAME:
            found = store.samples(name, -1e11, 1e11)
            for place, labels in enumerate(found.labels):
                own = slice(found.offsets[place], found.offsets[place + 1])
                yield Series(name, labels), found.times[own] / 1000.0, found.values[own]


def side_by_side(source: Path, folder: Path, times: int, span: Span) -> int:
    """*source* so many *times* under other names; how many samples lie in *span*."""
    inside = 0
    with closing(EmbeddedStore(folder / STORE_FOLDER, retention_seconds=1e9)) as store:
        for copy in range(times):
            renamed = []
            for series, moments, values in columns(source):
                labels = {
                    name: f"{value}-{copy}" if copy and name in NAMED else value
                    for name, value in series.labels
                }
                renamed.append((Series(series.name, labels_of(labels)), moments, values))
                inside += int(((moments > span.start) & (moments <= span.end)).sum())
            store.append_columns(renamed)
    (folder / "simulated").touch()
    return inside


class Timed:
    """A store that counts the CPU seconds of reading, decoding and evaluating."""

    def __init__(self, store: Asking) -> None:
        self.store = store
        self.seconds = 0.0

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """As the store."""
        begun = time.process_time()
        try:
            return self.store.evaluate(signal, start, end, step)
        finally:
            self.seconds += time.process_time() - begun

    def newest(self) -> float | None:
        """As the store."""
        return self.store.newest()


def measured(config: Config, folder: Path, span: Span, profile: Path | None) -> dict[str, float]:
    """One replay of *folder*."""
    past = of_data_folder(folder)
    asking = Timed(past.asking)
    past = replace(past, asking=asking)
    profiler = cProfile.Profile() if profile is not None else None
    with tempfile.TemporaryDirectory() as scratch:
        begun, worked = time.perf_counter(), time.process_time()
        if profiler is not None:
            profiler.enable()
        said = replay(config, past, span, Path(scratch))
        if profiler is not None:
            profiler.disable()
        cpu, wall = time.process_time() - worked, time.perf_counter() - begun
    past.close()
    if profiler is not None:
        profiler.dump_stats(profile)
    return {
        "ticks": said.ticks,
        "incidents": len(said.incidents),
        "cpu_seconds": round(cpu, 2),
        "wall_seconds": round(wall, 2),
        "of_which_store_cpu_seconds": round(asking.seconds, 2),
        "cpu_milliseconds_a_tick": round(1000.0 * cpu / said.ticks, 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--times", default="1,8", help="Sizes of the fleet, in demo clusters.")
    parser.add_argument("--every", type=float, default=0.0, help="As the flag of `backtest`.")
    parser.add_argument("--profile", type=Path, help="Write a cProfile of the last size here.")
    parser.add_argument("--keep", type=Path, help="Folder to keep the recorded history in.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source = wanted.keep or Path(scratch) / "recorded"
        span_file = source / "span.json"
        if span_file.exists():
            span = Span(*json.loads(span_file.read_text()))
        else:
            span = recorded(source, wanted.minutes)
            span_file.write_text(json.dumps([span.start, span.end, span.interval]))
        span = replace(span, every=wanted.every)
        sizes = [int(one) for one in wanted.times.split(",")]
        found = {}
        for times in sizes:
            folder = Path(scratch) / f"times-{times}"
            samples = side_by_side(source, folder, times, span)
            given = {"data_dir": str(folder), "price_file": str(source / "prices.json")}
            config = load(None, {}, given)
            all_detectors(config)  # imports are paid before the clock runs
            last = times == sizes[-1]
            figures = measured(config, folder, span, wanted.profile if last else None)
            speed = round(samples / figures["cpu_seconds"])
            read = round(samples / max(figures["of_which_store_cpu_seconds"], 0.01))
            found[f"{times} demo clusters"] = {
                "samples": samples,
                "samples_per_cpu_second": speed,
                "samples_per_store_cpu_second": read,
                **figures,
            }
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
