"""Steps of 5 % put into real histories of benchmark runs: found after five more runs, or not.

FOLDER/vmnoise/series.parquet (`series`, `t`, `v`): the last 400 runs of each history that varies by
less than a tenth. Rows from 100 to 300 as they are say what is false, real steps counted as false.
Peers: CUSUM and Mozilla Perfherder's t-test; Apache Otava where it is installed.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.yardstick.judging import stretches
from benchmarks.yardstick.replayed import share
from estimators.step_changes import StepChanges
from vocabulary.samples import Array

RUN_SECONDS = 7200.0
RUNS, CALM, BEFORE = 400, 300, 100
AFTER, STEP = 5, 0.05
Rows = list[int]
Finder = Callable[[Array], Rows]


def changes(values: Array) -> Rows:
    """What `changes` lets stand once all of *values* are there."""
    found = StepChanges().find(values, RUN_SECONDS)
    return [one.index for one in found if one.withdrawn is None]


def changes_ever_said(values: Array) -> Rows:
    """The same with what was withdrawn later: for who acts on every word at once."""
    return [one.index for one in StepChanges().find(values, RUN_SECONDS)]


def cusum(values: Array) -> Rows:
    """Page's CUSUM in robust units of the first 100 runs, k 0.5, h 8."""
    past = values[:BEFORE]
    middle = float(np.median(past))
    sigma = 1.4826 * float(np.median(np.abs(past - middle))) or float(past.std()) + 1e-9
    up = down = 0.0
    said = []
    for row, score in enumerate(np.clip((values - middle) / sigma, -6.0, 6.0).tolist()):
        up, down = max(0.0, up + score - 0.5), max(0.0, down - score - 0.5)
        if max(up, down) > 8.0:
            said.append(row)
            up = down = 0.0
    return said


def perfherder(values: Array) -> Rows:
    """Student's t of 12 runs against the 12 before above 7, and 2 %."""
    rows = np.lib.stride_tricks.sliding_window_view(values, 12)
    before, after = rows[:-12], rows[12:]
    error = np.sqrt((before.var(axis=1, ddof=1) + after.var(axis=1, ddof=1)) / 12.0) + 1e-12
    moved = np.abs(after.mean(axis=1) - before.mean(axis=1))
    alarm = (moved / error > 7.0) & (moved >= 0.02 * np.abs(before.mean(axis=1)))
    return [int(row) for row in np.flatnonzero(alarm) + 23]


def otava() -> Finder | None:
    """Apache Otava at window 50, p 0.001, least change 3 %; None where it is not installed."""
    try:
        from otava.analysis import (  # type: ignore[import-not-found]
            compute_change_points,
        )
    except ImportError:
        return None

    def find(values: Array) -> Rows:
        points, _ = compute_change_points(
            values.tolist(), window_len=50, max_pvalue=0.001, min_magnitude=0.03
        )
        return [int(point.index) for point in points]

    return find


def measured(folder: Path) -> dict[str, object] | None:
    """Share of steps found and false changes in 100 runs, for each finder."""
    path = folder / "vmnoise" / "series.parquet"
    if not path.is_file():
        return None
    series = []
    for _, part in pd.read_parquet(path).groupby("series"):
        values = part["v"].to_numpy(float)[-RUNS:]
        if len(values) == RUNS and values.std() / values.mean() < 0.1:
            series.append(values)
    finders: dict[str, Finder] = {
        "tidegauge changes": changes,
        "tidegauge changes, withdrawn ones too": changes_ever_said,
        "CUSUM": cusum,
        "Perfherder's t-test": perfherder,
    }
    peer = otava()
    if peer is not None:
        finders["Apache Otava, 3 %"] = peer
    said: dict[str, object] = {"histories": len(series)}
    for name, finder in finders.items():
        hits, false = [], []
        for index, values in enumerate(series):
            calm = np.zeros(CALM, np.bool_)
            calm[[row for row in finder(values[:CALM]) if row >= BEFORE]] = True
            false.append(len(stretches(calm, 1 if "tidegauge" in name else 10)))
            at = 2 * BEFORE + (index * 37) % BEFORE
            stepped = values[: at + AFTER].copy()
            stepped[at:] *= 1.0 - STEP
            hits.append(any(at - AFTER <= row < at + AFTER for row in finder(stepped)))
        said[name] = {
            f"found_after_{AFTER}_runs": share(np.array(hits, float)),
            "false_per_100_runs": _spread(100.0 * np.array(false) / (CALM - BEFORE)),
        }
    return said


def _spread(rates: Array) -> list[float]:
    """Mean with its 95 % bootstrap interval over histories."""
    rng = np.random.default_rng(1)
    means = [rng.choice(rates, rates.size).mean() for _ in range(400)]
    return [round(float(one), 3) for one in (rates.mean(), *np.quantile(means, [0.025, 0.975]))]
