"""Excerpts of real request traces: when requests came and how many tokens they had."""

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_FOLDER = Path(__file__).parent / "traces"
_LONGEST_GAP = 25.0
"""In mean gaps. The code trace falls silent for minutes; replayed slower than recorded that would
be an outage of the whole route. Our judgement; what is left is still far burstier than Poisson."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests in order; gaps are in units of their own mean, so that any rate can be replayed."""

    name: str
    gaps: npt.NDArray[np.float64]
    input_tokens: npt.NDArray[np.int64]
    output_tokens: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.gaps)


@cache
def load(name: str) -> Trace:
    """The trace called *name* (`conversation`, `code`, `long_context`).

    Raises:
        FileNotFoundError: There is no such trace in simulator/traces.
    """
    with gzip.open(_FOLDER / f"{name}.csv.gz", "rt", encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    gaps = np.array([float(row["gap_seconds"]) for row in rows])
    gaps = np.minimum(gaps / gaps.mean(), _LONGEST_GAP)
    return Trace(
        name,
        gaps / gaps.mean(),
        np.array([int(row["input_tokens"]) for row in rows], dtype=np.int64),
        np.maximum(1, np.array([int(row["output_tokens"]) for row in rows], dtype=np.int64)),
    )
