"""What the live engine costs, and whether its alarms keep to the budget, on this machine.

    tidegauge bench live_engine [--series 100000] [--most 1000000] [--ticks 32]
    tidegauge bench live_engine --data FOLDER [--hours 72] [--weekly 1000]

Prints one JSON object. `cost`: CPU microseconds of one new value of one of so many series, fed a
tick at a time and 16 ticks at a time, and bytes of state a series; noise, after 64 ticks.
`budget`, with --data (laid out as for `detection`): null series made of real residuals. Of each
labelled series, rows outside labels less their running mean of an hour, in blocks of 48 rows; a
null series is blocks of one of them in random order, five series an entity, a row every five
minutes. A third of the hours is for learning; then alarms are counted against the budget, for
entities on whose second family is judged (tickets) and on their first (any series).
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.yardstick.labelled import Labelled, read
from estimators.alarm_budget import HOUR, WEEK, AlarmBudget, corroborated
from estimators.live_engine import LiveEngine
from estimators.point_anomaly import PointAnomaly
from vocabulary.samples import Array

WARM, BLOCK, FAMILIES, STEP = 64, 48, 5, 300.0
GROWN = 20_000


def cost(series: int, ticks: int, together: int) -> dict[str, float]:
    """CPU microseconds a value, and bytes a series."""
    engine = LiveEngine(PointAnomaly(), 15.0)
    engine.add(series)
    values = np.random.default_rng(1).normal(100.0, 5.0, (together, series))

    def feed(rows: int) -> None:
        for at in range(engine.rows, engine.rows + rows, together):
            engine.update_block(15.0 * np.arange(at, at + together), values)

    feed(WARM)
    engine.state["age"][:] = engine.state["looked"][:] = GROWN  # as it is from the third day on
    feed(16)
    began = time.process_time()
    feed(ticks)
    spent = time.process_time() - began
    return {
        "microseconds_a_value": round(spent / ticks / series * 1e6, 4),
        "values_a_second": round(ticks * series / spent),
        "bytes_a_series": engine.bytes_a_series,
    }


def residuals(series: list[Labelled]) -> list[Array]:
    """Unlabelled rows of each series less the running mean of the hour, in blocks."""
    found = []
    for one in series:
        window = max(3, int(HOUR / one.step))
        level = np.convolve(one.values, np.full(window, 1.0 / window), "same")
        calm = (one.values - level)[~one.odd]
        count = len(calm) // BLOCK
        if count >= 20 and calm.std() > 0.0:
            found.append(calm[: count * BLOCK].reshape(count, BLOCK))
    return found


def budget(series: int, hours: int, weekly: float, pools: list[Array]) -> dict[str, object]:
    """Alarms made over alarms allowed, on series on which nothing ever happens."""
    rng = np.random.default_rng(2)
    engine = LiveEngine(PointAnomaly(), STEP)
    engine.add(series)
    entity, family = np.divmod(np.arange(series), FAMILIES)
    entities = series // FAMILIES
    budgets = {name: AlarmBudget(weekly) for name in ("second_family", "any_series")}
    made = dict.fromkeys(budgets, 0)
    ticks = int(hours * HOUR / STEP)
    of = np.array_split(np.arange(series), len(pools))
    for block in range(ticks // BLOCK):
        values = np.empty((BLOCK, series))
        for pool, columns in zip(pools, of, strict=True):
            values[:, columns] = pool[rng.integers(0, len(pool), len(columns))].T
        at = STEP * (block * BLOCK + np.arange(BLOCK))
        for moment, row in zip(at, engine.update_block(at, values), strict=True):
            scores = row.astype(np.float64)
            highest = np.nanmax(
                np.where(np.isfinite(scores), scores, -9.0).reshape(-1, FAMILIES), axis=1
            )
            evidence = {
                "second_family": corroborated(scores, entity, family, entities, FAMILIES),
                "any_series": highest,
            }
            for name, one in budgets.items():
                new = one.tick(float(moment), evidence[name])
                made[name] += int(new.sum()) if moment >= hours * HOUR / 3.0 else 0
    allowed = weekly * hours * HOUR * 2.0 / 3.0 / WEEK
    return {
        "series": series,
        "entities": entities,
        "hours_judged": round(hours * 2 / 3, 1),
        "allowed": round(allowed, 1),
        **{
            name: {"made": count, "realised_over_nominal": round(count / allowed, 2),
                   "bar": round(budgets[name].bar, 2)}
            for name, count in made.items()
        },
    }  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100_000, help="Series of a fleet.")
    parser.add_argument("--most", type=int, default=0, help="Series of a larger one.")
    parser.add_argument("--ticks", type=int, default=32, help="Ticks that are timed.")
    parser.add_argument("--data", type=Path, help="Folder of labelled sets.")
    parser.add_argument("--hours", type=int, default=72, help="Hours of null series.")
    parser.add_argument("--weekly", type=float, default=1000.0, help="False alarms allowed a week.")
    arguments = parser.parse_args()
    said: dict[str, object] = {}
    if arguments.data is None:
        said["cost"] = {
            f"{series} series, {together} ticks at a time": cost(series, arguments.ticks, together)
            for series in (arguments.series, arguments.most)
            if series
            for together in (1, 16)
        }
    else:
        pools = residuals(read(arguments.data, 20))
        if not pools:
            parser.error(f"{arguments.data}: holds no series long enough")
        said["budget"] = budget(arguments.series, arguments.hours, arguments.weekly, pools)
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
