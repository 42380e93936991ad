"""A slow-down put into replayed LLM traffic: how soon it is said, and what is said without one.

Rates, burstiness and token sizes of real clients (ServeGen: FOLDER/servegen/*.parquet) drive a
small model of a server: inter-token latency is (a + b * running + c * prefill) * slow * drift *
noise, running sequences by Little's law, requests coming whatever the server does. Drift is what
benchmark histories of cloud machines (FOLDER/vmnoise/series.parquet) show around their running
median, halved. 72 h at a minute; at a random moment of the second half the server becomes slower.
`changes` is given latency with running sequences and prefill tokens as loads, from the file alone;
the peer is Mozilla Perfherder's t-test on what a load model fitted to the first day leaves.
Throughput without its loads is the placebo: it is what arrives, and shows nothing of a slow-down.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.yardstick.judging import stretches
from estimators.load_adjustment import adjust
from estimators.step_changes import StepChanges
from vocabulary.samples import Array

MINUTES, HISTORY = 4320, 1440
WINDOWS = 2017
"""Windows of ten minutes in ServeGen's 14 days."""
CLIENTS = 12
MODELS = ("m-large", "m-mid", "m-small")
BASE, EACH = 12e-3, 0.12e-3
"""Seconds a token with nothing running, and more for each running sequence."""
NOISE, DRIFT = 0.015, 0.5
PAGE_GAP, REPEAT = 60, 240
"""Minutes within which alarms are one page, and after which it is sent again."""
SOON, LATER = 30, 360
Finder = Callable[["Run", int], list[int]]


@dataclass(frozen=True, slots=True)
class Run:
    """One server for 72 hours."""

    latency: Array
    loads: Array
    throughput: Array
    slower_at: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What runs are made of."""

    clients: list[list[tuple[Array, Array, float, float]]]
    """For each model: rate a second, squared variation, tokens out and in, of each client."""
    drifts: list[tuple[Array, Array]]

    def run(self, seed: int, slower: float) -> Run:
        """One run; the same seed gives the same run but for what slows it."""
        rng = np.random.default_rng(seed)
        clients = self.clients[rng.integers(len(self.clients))]
        chosen = rng.choice(len(clients), min(len(clients), CLIENTS), replace=False)
        begin = rng.integers(0, WINDOWS - MINUTES // 10 - 1)
        at, windows = begin + np.arange(MINUTES) / 10.0, np.arange(WINDOWS)
        made, asked = np.zeros(MINUTES), np.zeros(MINUTES)
        for index in chosen:
            rate, burst, out, into = clients[index]
            mean = 60.0 * np.interp(at, windows, rate)
            shape = np.maximum(mean / np.maximum(np.interp(at, windows, burst) - 1.0, 0.05), 0.5)
            calls = rng.poisson(mean * rng.gamma(shape, 1.0) / shape)
            spread = rng.normal(0.0, 0.5, MINUTES) / np.sqrt(np.maximum(calls, 1))
            made += calls * out * np.maximum(1.0 + spread, 0.1)
            asked += calls * into
        scale = 0.55 / EACH / max(float(np.quantile(made / 60.0, 0.99)), 1e-9)
        throughput = np.clip(made / 60.0 * scale, 1.0, 0.8 / EACH)
        prefill = asked / 60.0 * scale
        times, moved = self.drifts[rng.integers(len(self.drifts))]
        first = times[rng.integers(0, len(times) - 60)]
        pace = 1.0 + DRIFT * np.interp(first + 60.0 * np.arange(MINUTES), times, moved)
        slower_at = int(rng.integers(MINUTES // 2, MINUTES - 720))
        pace[slower_at:] *= 1.0 + slower
        per_token = BASE + 0.1 * BASE * prefill / max(float(prefill.mean()), 1e-9)
        free = np.maximum(1.0 - throughput * EACH * pace, 0.1)
        running = np.minimum(throughput * per_token * pace / free, 512.0)
        noise = np.exp(rng.normal(0.0, NOISE, MINUTES))
        latency = (per_token + EACH * running) * pace * noise
        return Run(latency, np.column_stack([running, prefill]), throughput, slower_at)


def traffic(folder: Path) -> Traffic | None:
    """Clients and drifts of *folder*; None where they are not there."""
    files = sorted((folder / "servegen").glob("*.parquet"))
    noise = folder / "vmnoise" / "series.parquet"
    if not files or not noise.is_file():
        return None
    table = pd.concat([pd.read_parquet(path) for path in files])
    models = [_clients(part) for _, part in table[table["model"].isin(MODELS)].groupby("model")]
    drifts = []
    for name, part in pd.read_parquet(noise).groupby("series"):
        level = part["v"].rolling(101, center=True, min_periods=20).median()
        moved = np.nan_to_num((part["v"] / level - 1.0).to_numpy(float))
        if "D8s" in str(name) and len(part) > 800 and moved.std() < 0.06:
            drifts.append((part["t"].to_numpy(float), np.clip(moved, -0.1, 0.1)))
    return Traffic([one for one in models if one], drifts)


def _clients(table: pd.DataFrame) -> list[tuple[Array, Array, float, float]]:
    """Clients that are there in more than 300 windows."""
    found = []
    for _, part in table.groupby("client"):
        if (part["rate"] > 0).sum() <= 300:
            continue
        rate, burst = np.zeros(WINDOWS), np.ones(WINDOWS)
        window = (part["t"] // 600).to_numpy(int)
        rate[window] = part["rate"]
        burst[window] = part["cv"].clip(0.5, 4.0) ** 2
        out, into = part["out_mean"].mean(), part["in_mean"].mean()
        found.append((rate, burst, 150.0 if np.isnan(out) else float(out),
                      900.0 if np.isnan(into) else float(into)))  # fmt: skip
    return found


def changes(run: Run, minutes: int) -> list[int]:
    """When `changes` says something of the first *minutes*, loads given."""
    found = StepChanges().find(run.latency[:minutes], 60.0, run.loads[:minutes])
    return [one.detected for one in found if one.detected >= HISTORY]


def changes_without_loads(run: Run, minutes: int) -> list[int]:
    """The same for throughput alone."""
    found = StepChanges().find(run.throughput[:minutes], 60.0)
    return [one.detected for one in found if one.detected >= HISTORY]


def perfherder(run: Run, minutes: int) -> list[int]:
    """Mozilla's alert: Student's t of 12 rows against the 12 before above 7, and 2 %."""
    part = adjust(run.latency[:minutes], run.loads[:minutes], HISTORY)
    values = run.latency[:minutes] if part is None else part.values
    rows = np.lib.stride_tricks.sliding_window_view(values, 12)
    before, after = rows[:-12], rows[12:]
    error = np.sqrt((before.var(axis=1, ddof=1) + after.var(axis=1, ddof=1)) / 12.0) + 1e-12
    moved = np.abs(after.mean(axis=1) - before.mean(axis=1))
    said = np.flatnonzero((moved / error > 7.0) & (moved >= 0.02)) + 23
    return [int(row) for row in said if row >= HISTORY]


FINDERS: dict[str, Finder] = {
    "tidegauge changes, at equal load": changes,
    "Perfherder's t-test, at equal load": perfherder,
    "tidegauge changes, throughput alone": changes_without_loads,
}


def measured(source: Traffic, count: int, slower: Sequence[float]) -> dict[str, object]:
    """Share of slow-downs said soon and later, that of runs without one, and false pages a day."""
    said: dict[str, object] = {}
    for name, finder in FINDERS.items():
        calm = [source.run(1000 + seed, 0.0) for seed in range(count)]
        pages = sum(_pages(finder(run, MINUTES)) for run in calm)
        figures: dict[str, object] = {
            "false_per_series_day": round(pages / (count * (MINUTES - HISTORY) / 1440.0), 3)
        }
        for part in (0.0, *slower):
            hits = np.array([_hits(finder, source.run(1000 + seed, part)) for seed in range(count)])
            key = f"{part:.0%} slower" if part else "placebo"
            figures[key] = {f"within_{SOON}_min": share(hits[:, 0]),
                            f"within_{LATER // 60}_h": share(hits[:, 1])}  # fmt: skip
        said[name] = figures
    return said


def _hits(finder: Finder, run: Run) -> tuple[bool, bool]:
    """Whether something is said soon and later after the moment; not if it was said already."""
    rows = np.array(finder(run, run.slower_at + LATER), np.intp) - run.slower_at
    if ((rows >= -60) & (rows < 0)).any():
        return False, False
    return bool(((rows >= 0) & (rows < SOON)).any()), bool((rows >= 0).any())


def _pages(rows: list[int]) -> int:
    flags = np.zeros(MINUTES, np.bool_)
    flags[rows] = True
    return sum(1 + (end - begin) // REPEAT for begin, end in stretches(flags, PAGE_GAP).tolist())


def share(hits: Array) -> list[float]:
    """Share with its 95 % Wilson interval."""
    count, share, z = len(hits), float(np.mean(hits)), 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return [round(float(one), 3) for one in (share, max(0.0, middle - reach), middle + reach)]
