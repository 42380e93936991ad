"""How well `tidegauge detect` and `changes` find what people labelled, beside plain peers.

    python benchmarks/detection.py --data FOLDER [--series 12] [--most-rows 30000]

Prints one JSON object. FOLDER holds labelled sets: FOLDER/<set>/*.parquet with columns `series`,
`t` (seconds), `v` and `y` (1 = labelled); nab, ms_cloud and kpi_aiops are read, and for changes
vmnoise (`series`, `t`, `v`: histories of benchmark runs, into which a step of 5 % is put). The
first quarter of a series is history and not judged. An event is found when a row of it, or within
ten minutes or three rows after, is alarmed; a false page is a stretch of alarms outside labels
(gaps of 30 minutes or three rows bridged), again for every 4 h it lasts. `recall_at` is the share
of events found with one threshold for all series at that many false pages a series-day, mean over
sets, with a 95 % bootstrap over series. One configuration for everything; peers run in the same
process.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from estimators.live_engine import scored
from estimators.point_anomaly import PointAnomaly
from estimators.step_changes import StepChanges
from vocabulary.samples import Array

SETS = ("nab", "ms_cloud", "kpi_aiops")
BUDGETS = (1.0, 0.1, 0.01)
DAY = 86_400.0
REPEAT_SECONDS = 4 * 3600.0
RUN_SECONDS = 7200.0
Score = Callable[[Array, float], Array]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One series whose odd rows are known."""

    of: str
    values: Array
    odd: Flags
    step: float

    @property
    def first(self) -> int:
        """The first row that is judged."""
        return len(self.values) // 4


def tidegauge(values: Array, step: float) -> Array:
    """The product, at its defaults."""
    return scored(PointAnomaly(), step * np.arange(len(values)), values, step)


def rolling_z(values: Array, step: float) -> Array:
    """Distance from the mean of the last day in its standard deviations."""
    past = pd.Series(values).rolling(max(20, int(DAY / step)), min_periods=10)
    mean, sigma = past.mean().shift(1), past.std().shift(1)
    return np.asarray(np.abs(values - mean) / np.maximum(sigma, 1e-9), np.float64)


def rolling_mad(values: Array, step: float) -> Array:
    """Distance from the median of the last day in its median absolute deviations."""
    series = pd.Series(values)
    rows = max(20, int(DAY / step))
    away = (series - series.rolling(rows, min_periods=10).median().shift(1)).abs()
    usual = away.rolling(rows, min_periods=10).median().shift(1)
    return np.asarray(away / np.maximum(usual, 1e-9), np.float64)


def sub_pca(values: Array, step: float) -> Array:
    """Length of the last 32 rows, whitened by the covariance of the history: Sub-PCA's idea."""
    del step
    lags, history = 32, len(values) // 4
    windows = np.lib.stride_tricks.sliding_window_view(
        np.r_[np.full(lags - 1, values[0]), values], lags
    )
    past = windows[:history]
    mean, sigma = past.mean(axis=0), float(past.std()) + 1e-9
    weights, vectors = np.linalg.eigh(np.cov(((past - mean) / sigma).T))
    weights = np.maximum(weights, 1e-6 * max(float(weights.max()), 1e-9))
    turned = ((windows - mean) / sigma) @ (vectors / np.sqrt(weights))
    return np.asarray(np.sqrt(np.mean(turned**2, axis=1)), np.float64)


PEERS: dict[str, Score] = {
    "tidegauge": tidegauge,
    "rolling z-score, 24 h": rolling_z,
    "rolling median and MAD, 24 h": rolling_mad,
    "Sub-PCA, 32 lags": sub_pca,
}


def read(folder: Path, most_series: int, most_rows: int) -> list[Labelled]:
    """Evenly chosen series of every set that is there; the newest rows of each."""
    found = []
    for name in SETS:
        files = sorted((folder / name).glob("*.parquet"))
        if not files:
            continue
        table = pd.concat([pd.read_parquet(path) for path in files])
        groups = [part for _, part in table.groupby("series") if part["y"].sum() > 0]
        for group in groups[:: max(1, len(groups) // most_series)][:most_series]:
            part = group.drop_duplicates("t").sort_values("t").tail(most_rows)
            values = part["v"].interpolate(limit_direction="both").fillna(0.0).to_numpy(float)
            step = float(np.median(np.diff(part["t"].to_numpy(float))))
            found.append(Labelled(name, values, part["y"].to_numpy() > 0, step))
    return found


def runs(flags: Flags, gap: int) -> list[tuple[int, int]]:
    """First and last row of each stretch of *flags*; gaps of up to *gap* rows are bridged."""
    rows = np.flatnonzero(flags)
    if not rows.size:
        return []
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > gap) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


def judged(one: Labelled, alarmed: Flags) -> tuple[int, int, int]:
    """Events, events found and false pages of one series."""
    late = max(3, int(600.0 / one.step))
    events = runs(one.odd[one.first :], 3)
    rows = np.flatnonzero(alarmed[one.first :])
    found = sum(bool(((rows >= a) & (rows <= b + late)).any()) for a, b in events)
    false = 0
    for begin, end in runs(alarmed[one.first :], max(3, int(1800.0 / one.step))):
        if not any(begin <= b + late and end >= a - late for a, b in events):
            false += 1 + int((end - begin) * one.step / REPEAT_SECONDS)
    return len(events), found, false


def recalls(series: list[Labelled], scores: list[Array]) -> dict[str, dict[str, float]]:
    """Recall at each budget with its bootstrap interval."""
    known = np.concatenate([np.nan_to_num(s[one.first :], nan=-9.0)
                            for one, s in zip(series, scores, strict=True)])  # fmt: skip
    levels = np.unique(np.quantile(known, 1.0 - np.logspace(-6, -0.7, 50)))
    counts = np.array([
        [judged(one, np.nan_to_num(s, nan=-9.0) >= level) for level in levels]
        for one, s in zip(series, scores, strict=True)
    ])  # fmt: skip
    days = np.array([(len(one.values) - one.first) * one.step / DAY for one in series])
    of = np.array([one.of for one in series])
    rng = np.random.default_rng(1)
    said = {}
    for budget in BUDGETS:
        drawn = [at_budget(counts, days, of, budget, stratified(of, rng)) for _ in range(200)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        best = at_budget(counts, days, of, budget, np.arange(len(series)))
        said[str(budget)] = {"recall": round(best, 3), "low": round(float(low), 3),
                             "high": round(float(high), 3)}  # fmt: skip
    return said


def stratified(of: Names, rng: np.random.Generator) -> Rows:
    """Rows drawn with replacement within each set."""
    return np.concatenate([rng.choice(np.flatnonzero(of == name), (of == name).sum())
                           for name in np.unique(of)])  # fmt: skip


def at_budget(
    counts: npt.NDArray[np.int_], days: Array, of: Names, budget: float, rows: Rows
) -> float:
    """Best mean recall over sets whose mean false pages a series-day keep to *budget*."""
    recall, false = [], []
    for name in np.unique(of[rows]):
        part = rows[of[rows] == name]
        events, found, pages = counts[part].sum(axis=0).T
        recall.append(found / np.maximum(events, 1))
        false.append(pages / days[part].sum())
    kept = np.mean(false, axis=0) <= budget
    return float(np.mean(recall, axis=0)[kept].max()) if kept.any() else 0.0


def points(series: list[Labelled]) -> dict[str, object]:
    """Every peer's recall at the budgets and its cost."""
    said: dict[str, object] = {}
    rows = sum(len(one.values) for one in series)
    for name, score in PEERS.items():
        begun = time.process_time()
        scores = [score(one.values, one.step) for one in series]
        spent = time.process_time() - begun
        said[name] = {"recall_at": recalls(series, scores),
                      "microseconds_per_row": round(spent / rows * 1e6, 2)}  # fmt: skip
    scores = [tidegauge(one.values, one.step) for one in series]
    alarm = PointAnomaly().alarm
    hits = np.array([judged(one, np.nan_to_num(s, nan=-9.0) >= alarm)
                     for one, s in zip(series, scores, strict=True)])  # fmt: skip
    days = np.array([(len(one.values) - one.first) * one.step / DAY for one in series])
    said["tidegauge at its default"] = {
        name: {"recall": round(float(hits[of, 1].sum() / hits[of, 0].sum()), 3),
               "false_pages_per_series_day": round(float(hits[of, 2].sum() / days[of].sum()), 3)}
        for name in sorted({one.of for one in series})
        for of in [np.array([one.of == name for one in series])]
    }  # fmt: skip
    return said


def histories(folder: Path) -> dict[str, float] | None:
    """Steps of 5 % put into histories of benchmark runs, looked for after five more runs."""
    files = sorted((folder / "vmnoise").glob("*.parquet"))
    if not files:
        return None
    finder, found, standing, said, series = StepChanges(), 0, 0, 0, 0
    for path in files:
        for _, part in pd.read_parquet(path).groupby("series"):
            values = part["v"].to_numpy(float)[-400:]
            if len(values) < 400 or values.std() / values.mean() >= 0.1:
                continue
            calm = [one for one in finder.find(values[:300], RUN_SECONDS) if one.index >= 100]
            at = 200 + (series * 37) % 100
            stepped = values[: at + 5].copy()
            stepped[at:] *= 0.95
            found += any(at - 5 <= one.index < at + 5 and one.withdrawn is None
                         for one in finder.find(stepped, RUN_SECONDS))  # fmt: skip
            standing += sum(one.withdrawn is None for one in calm)
            said, series = said + len(calm), series + 1
    return {
        "histories": series,
        "steps_of_5_percent_found_after_5_runs": round(found / max(series, 1), 3),
        "false_per_100_runs_standing": round(standing / max(2 * series, 1), 3),
        "false_per_100_runs_ever_said": round(said / max(2 * series, 1), 3),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder of labelled sets.")
    parser.add_argument("--series", type=int, default=12, help="Series of each set, at most.")
    parser.add_argument("--most-rows", type=int, default=30_000, help="Newest rows of a series.")
    arguments = parser.parse_args()
    series = read(arguments.data, arguments.series, arguments.most_rows)
    if not series:
        parser.error(f"{arguments.data}: holds none of {', '.join(SETS)} with Parquet files")
    said = {
        "series": len(series),
        "rows": sum(len(one.values) for one in series),
        "points": points(series),
        "changes_in_histories": histories(arguments.data),
    }
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
