"""How well `tidegauge detect` and `changes` find what people labelled, beside plain peers.

    tidegauge bench detection --data FOLDER [--part points] [--series 12] [--runs 60]

Prints one JSON object; figures in brackets are value, lower and upper end of a 95 % interval
(bootstrap over series within sets, Wilson for shares). FOLDER holds public labelled sets, as
benchmarks/yardstick/labelled.py says; a set that is not there is left out. One configuration for
everything; peers run in the same process on the same rows (benchmarks/yardstick/peers.py). Parts:

- `points`: VUS-PR, and the share of events found with one threshold for all series at so many false
  pages a series-day, mean over sets; ours at its default; the lead over the peer best at it.
- `cold`: the same by a detector that begins an hour before the first judged row.
- `nab`: NAB's standard profile on all of its files that are there.
- `entities`: servers and services with 19 to 38 metrics, at so many false pages an entity-day.
- `slow_downs`: latency of replayed LLM traffic that becomes slower.
- `histories`: a step of 5 % in histories of benchmark runs.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.yardstick import histories, points, replayed
from benchmarks.yardstick.labelled import nab, read

PARTS = ("points", "cold", "nab", "entities", "slow_downs", "histories")
SLOWER = (0.02, 0.05, 0.10)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="Folder of labelled sets.")
    parser.add_argument("--part", action="append", choices=PARTS, help="May be repeated.")
    parser.add_argument("--series", type=int, default=0, help="Series of each set, 0 is all.")
    parser.add_argument("--runs", type=int, default=60, help="Runs of replayed traffic.")
    arguments = parser.parse_args()
    parts = arguments.part or PARTS
    said: dict[str, object] = {}
    if {"points", "cold"} & set(parts):
        series = read(arguments.data, arguments.series)
        if not series:
            parser.error(f"{arguments.data}: holds none of nab, ms_cloud, smd, kpi_aiops")
        said["series"] = len(series)
        said["rows"] = sum(len(one.values) for one in series)
        said["points"], whole = points.single(series)
        if "cold" in parts:
            said["cold"] = points.cold(series, whole)
    if "nab" in parts:
        said["nab"] = points.nab_scores(nab(arguments.data))
    if "entities" in parts:
        said["entities"] = points.of_entities(arguments.data)
    if "slow_downs" in parts:
        source = replayed.traffic(arguments.data)
        said["slow_downs"] = source and replayed.measured(source, arguments.runs, SLOWER)
    if "histories" in parts:
        said["histories"] = histories.measured(arguments.data)
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
