"""Public series in which people labelled what is odd: how they are laid out, and what is judged.

FOLDER/<set>/*.parquet. Series: columns `series`, `t` (seconds), `v`, `y` (1 = labelled), in the
sets nab, ms_cloud and kpi_aiops. Entities: columns `entity`, `part` (train, then test), `t`, `m00`,
`m01`, … and `y`, in the sets asd, jumpstarter_d2 and smd; smd has `interpretation_labels.json` as
well, which says by machine which metrics were odd when (`10-20:1,3`, counted from the first row of
test). What comes before `first` is history and not judged.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]
DAY = 86_400.0
OPERATIONS = ("realAWSCloudwatch", "realKnownCause", "realTweets")
"""NAB's folders of operations series; the whole of NAB is scored by its own rules only."""
HISTORY = {"nab": 0.15, "ms_cloud": 0.25, "kpi_aiops": 0.33}
"""Share of a series that is history. NAB's own is 15 %."""
LEAST_ROWS = 300
KPIS, KPI_DAYS = 10, 60
"""Of the KPI set: so many series, evenly chosen, their last days."""
MACHINE_METRICS, MACHINE_ROWS = 3, 8640
"""Of each machine: the metrics that were odd most often, after so many rows of history."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One series whose odd rows are known."""

    of: str
    name: str
    times: Array
    values: Array
    odd: Flags
    step: float
    first: int
    """The first row that is judged."""

    @property
    def days(self) -> float:
        """Length of what is judged."""
        return (len(self.values) - self.first) * self.step / DAY


@dataclass(frozen=True, slots=True)
class Entity:
    """Metrics [row, metric] of one server or service, and when it was not well."""

    of: str
    name: str
    values: Array
    odd: Flags
    step: float
    first: int

    @property
    def days(self) -> float:
        """Length of what is judged."""
        return (len(self.values) - self.first) * self.step / DAY


def read(folder: Path, most: int = 0) -> list[Labelled]:
    """The four sets of single series; at most *most* of each set, evenly chosen, 0 is all."""
    sets = [nab(folder, OPERATIONS), _cloud(folder), _machines(folder), _kpis(folder)]
    return [one for series in sets for one in (evenly(series, most) if most else series)]


def nab(folder: Path, groups: tuple[str, ...] = ()) -> list[Labelled]:
    """NAB's series, all or those of some of its folders."""
    return [
        _labelled("nab", name, table, int(HISTORY["nab"] * len(table)))
        for name, table in _series(folder / "nab")
        if not groups or name.split("/")[0] in groups
    ]


def entities(folder: Path) -> Iterator[Entity]:
    """Servers and services with all their metrics, up to 8,640 rows of history each."""
    for of, step in (("asd", 300.0), ("jumpstarter_d2", 300.0), ("smd", 60.0)):
        for path in sorted((folder / of).glob("*.parquet")):
            for name, table in pd.read_parquet(path).groupby("entity"):
                train = int((table["part"] == "train").sum())
                part = table.iloc[max(0, train - MACHINE_ROWS) :]
                values = part.filter(regex=r"^m\d\d$").to_numpy(float)
                odd = part["y"].to_numpy() > 0
                yield Entity(of, str(name), values, odd, step, min(train, MACHINE_ROWS))


def evenly(series: list[Labelled], most: int) -> list[Labelled]:
    """At most *most* of *series*."""
    return series[:: max(1, -(-len(series) // most))]


def _cloud(folder: Path) -> list[Labelled]:
    return [
        _labelled("ms_cloud", name, table, int(HISTORY["ms_cloud"] * len(table)))
        for name, table in _series(folder / "ms_cloud")
        if len(table) > LEAST_ROWS
    ]


def _kpis(folder: Path) -> list[Labelled]:
    found = []
    for name, table in _series(folder / "kpi_aiops"):
        newest = table[table["t"] > table["t"].max() - KPI_DAYS * DAY]
        one = _labelled("kpi_aiops", name, newest, int(HISTORY["kpi_aiops"] * len(newest)))
        if one.odd[one.first :].any() and one.values.std() > 0.0:
            found.append(one)
    return found[:: max(1, len(found) // KPIS)][:KPIS]


def _machines(folder: Path) -> list[Labelled]:
    path = folder / "smd" / "interpretation_labels.json"
    if not path.is_file():
        return []
    said = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for file in sorted((folder / "smd").glob("*.parquet")):
        table = pd.read_parquet(file)
        train = int((table["part"] == "train").sum())
        begin = max(0, train - MACHINE_ROWS)
        times = table["t"].to_numpy(float)[begin:]
        for metric, spans in _oddest(said[file.stem]):
            odd = np.zeros(len(table), np.bool_)
            for start, end in spans:
                odd[train + start : train + end + 1] = True
            values = table[f"m{metric:02d}"].to_numpy(float)[begin:]
            step = float(np.median(np.diff(times)))
            found.append(
                Labelled("smd", f"{file.stem}/{metric}", times, values, odd[begin:], step,
                         train - begin)
            )  # fmt: skip
    return found


def _oddest(said: str) -> list[tuple[int, list[tuple[int, int]]]]:
    """The metrics of a machine that were odd most often, counted from 0, and when."""
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for line in said.split():
        span, metrics = line.split(":")
        start, end = map(int, span.split("-"))
        for metric in metrics.split(","):
            spans[int(metric) - 1].append((start, end))
    ranked = sorted(spans.items(), key=lambda item: (-len(item[1]), item[0]))
    return ranked[:MACHINE_METRICS]


def _series(folder: Path) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of every series of a set."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        return []
    table = pd.concat([pd.read_parquet(path) for path in files])
    return [(str(name), part) for name, part in table.groupby("series")]


def _labelled(of: str, name: str, table: pd.DataFrame, first: int) -> Labelled:
    part = table.sort_values("t", kind="stable").drop_duplicates("t")
    times = part["t"].to_numpy(float)
    values = part["v"].interpolate(limit_direction="both").fillna(0.0).to_numpy(float)
    step = float(np.median(np.diff(times)))
    return Labelled(of, name, times, values, part["y"].to_numpy() > 0, step, first)
