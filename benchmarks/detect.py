"""How fast `tidegauge detect` scores a table.

    python benchmarks/detect.py [--rows 20000] [--data FOLDER]

Prints one JSON object. The series is made up: a daily curve at five minutes with noise. With
`--data` every Parquet file of a folder is scored instead, once each; a column named `label` is
not counted. Wall-clock and CPU seconds, reading the file included.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pandas as pd

from service.detect_file import detect_file

DAY_ROWS = 288
START = 1_750_000_000


def made_up(folder: Path, rows: int) -> Path:
    """A Parquet file of *rows* rows of one made-up series."""
    rng = np.random.default_rng(7)
    row = np.arange(rows)
    values = 1000 + 300 * np.sin(2 * np.pi * row / DAY_ROWS) + rng.normal(0, 20, rows)
    path = folder / "made-up.parquet"
    pd.DataFrame({"time": START + 300 * row, "value": values}).to_parquet(path)
    return path


def score(files: Sequence[Path]) -> dict[str, float]:
    """Score *files* once each."""
    scored = events = columns = 0
    begun, worked = time.perf_counter(), time.process_time()
    for path in files:
        answer = detect_file(path)["columns"]
        judged = [said for name, said in answer.items() if name != "label"]
        columns += len(judged)
        scored += sum(len(said["scores"]) for said in judged)
        events += sum(len(said["events"]) for said in judged)
    wall, cpu = time.perf_counter() - begun, time.process_time() - worked
    return {
        "files": len(files),
        "columns": columns,
        "rows": scored,
        "events": events,
        "seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "rows_per_second": round(scored / wall),
        "rows_per_cpu_second": round(scored / cpu),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--data", type=Path, help="Folder of Parquet files.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = made_up(Path(folder), 500)
        detect_file(small)  # the first file pays for imports
        if arguments.data:
            files = sorted(arguments.data.glob("*.parquet"))
        else:
            files = [made_up(Path(folder), arguments.rows)]
        print(json.dumps(score(files), indent=2))


if __name__ == "__main__":
    main()
