"""The simulated engine against what public load tests measured on real GPUs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from simulator.closed_loop import Measured, Shape, measure
from simulator.engine_presets import PRESETS

_SETTLED_ROUNDS = 8
"""Rounds of calls for a settled stretch where the source does not say how many were made."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a published table; None is what the table does not say."""

    curve: str
    preset: str
    callers: int
    shape: Shape
    requests: int
    settled: bool
    fitted: bool
    """Whether the preset's figures were fitted to this row; the others were held out."""
    tokens_per_second: float | None
    to_first_token: float | None
    """Seconds."""
    between_tokens: float | None
    """Seconds."""

    def simulated(self) -> Measured:
        """The same load on the simulated engine."""
        return measure(
            PRESETS[self.preset], self.callers, self.shape, self.requests, settled=self.settled
        )

    def errors(self) -> dict[str, float]:
        """How far the simulated engine is off, relative to what was published."""
        found = self.simulated()
        return {
            name: getattr(found, name) / published - 1.0
            for name in ("tokens_per_second", "to_first_token", "between_tokens")
            if (published := getattr(self, name)) is not None
        }


def read_points(file: Path) -> list[Point]:
    """Every row of *file*, written as benchmarks/data/published_curves.yaml is."""
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [*_curves(read["curves"]), *_batches(read["batches"])]


def _curves(curves: Mapping[str, Any]) -> Iterator[Point]:
    for name, curve in curves.items():
        for row in curve["points"]:
            yield _point(name, curve["preset"], {**curve, **row}, row.get("fitted", False))


def _batches(batches: Mapping[str, Any]) -> Iterator[Point]:
    for preset, rows in batches.items():
        if preset in PRESETS:
            for row in rows:
                yield _point("trtllm-batches", preset, {**row, "requests": row["callers"]}, True)


def _point(curve: str, preset: str, row: Mapping[str, Any], fitted: bool) -> Point:
    counted = row.get("requests")
    return Point(
        curve,
        preset,
        row["callers"],
        Shape(row["input_tokens"], row["output_tokens"]),
        counted or _SETTLED_ROUNDS * row["callers"],
        settled=counted is None,
        fitted=fitted,
        tokens_per_second=_scaled(row.get("tokens_per_second"), 1.0),
        to_first_token=_scaled(row.get("first_token_ms"), 1e-3),
        between_tokens=_scaled(row.get("between_ms"), 1e-3),
    )


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit
