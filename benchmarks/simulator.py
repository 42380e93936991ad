"""How near the simulated engine is to published measurements, and how fast the simulator runs.

    python benchmarks/simulator.py

Prints one JSON object. `calibration` has an entry for each curve of data/published_curves.yaml: the
largest error of the points that nothing was fitted to and of those that were, relative to what was
published, and every point's own.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulator.calibration import Point, read_points

CURVES = Path(__file__).parent / "data" / "published_curves.yaml"


def calibration() -> dict[str, Any]:
    """Errors by curve, worst first within each."""
    points = read_points(CURVES)
    errors = {point: point.errors() for point in points}
    return {
        name: {
            "held_out": _worst(
                errors[one] for one in points if _at(one) == name and not one.fitted
            ),
            "fitted": _worst(errors[one] for one in points if _at(one) == name and one.fitted),
            "points": {
                f"{one.callers} callers, {one.shape.input_tokens}/{one.shape.output_tokens}": {
                    figure: round(error, 3) for figure, error in errors[one].items()
                }
                for one in points
                if _at(one) == name
            },
        }
        for name in dict.fromkeys(_at(one) for one in points)
    }


def _at(point: Point) -> str:
    return f"{point.curve}: {point.preset}"


def _worst(errors: Iterable[dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in errors:
        for figure, error in one.items():
            found[figure] = max(found.get(figure, 0.0), round(abs(error), 3))
    return found


def main() -> None:
    """Measure and print."""
    print(json.dumps({"calibration": calibration()}, indent=2))


if __name__ == "__main__":
    main()
