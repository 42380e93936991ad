"""How near the simulated engine is to published measurements, and how fast the simulator runs.

    python benchmarks/simulator.py

Prints one JSON object. `calibration` has an entry for each curve of data/published_curves.yaml: the
largest error of the points that nothing was fitted to and of those that were, relative to what was
published, and every point's own. `fidelity` has one entry a load: what the pool did request by
request, tick by tick, and by how much the latter is off. `speed` is in replica-hours simulated in
a minute of CPU time; `pages` counts the writing of every page each 15 seconds as well.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulator.agreement import TICK, alone, both
from simulator.arrivals import asked
from simulator.calibration import Point, read_points
from simulator.cluster import DEMO
from simulator.history import history
from simulator.ticks import tick_by_tick
from simulator.world import World

NOON = 1_795_608_000.0
LOADS = tuple((pool, factor) for pool in ("chat-70b", "code-8b") for factor in (0.3, 1.0, 2.0, 3.0))
HOUR = 3600.0
SEEDS = 8
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


def fidelity() -> dict[str, Any]:
    """Levels of a pool of the demo in both fidelities, at loads from light to beyond capacity."""
    found = {}
    for pool, factor in LOADS:
        requests, flows, _world = both(alone(DEMO, pool, factor), 5, NOON, 900.0)
        found[f"{pool} at {factor} times its usual load"] = {
            figure: {
                "request_by_request": round(value, 4),
                "tick_by_tick": round(asdict(flows)[figure], 4),
                "off": round(asdict(flows)[figure] / value - 1.0, 3) if value else None,
            }
            for figure, value in asdict(requests).items()
        }
    return found


def speed() -> dict[str, float]:
    """Replica-hours a CPU minute."""
    replicas = sum(pool.replicas for pool in DEMO.pools)
    world, written = World(1, NOON), World(1, NOON)
    worlds = [World(seed, NOON) for seed in range(SEEDS)]
    return {
        "request_by_request": _rate(replicas * 0.5, lambda: world.advance(NOON + HOUR / 2)),
        "request_by_request_with_pages": _rate(replicas * 0.5, lambda: _read(written)),
        "tick_by_tick": _rate(replicas, lambda: _ticks(worlds[:1])),
        "tick_by_tick_eight_seeds_together": _rate(SEEDS * replicas, lambda: _ticks(worlds)),
        "history": _rate(replicas * 14 * 24, lambda: list(history(worlds[0]))),
    }


def _rate(hours: float, action: Callable[[], object]) -> float:
    begun = time.process_time()
    action()
    return round(hours * 60.0 / (time.process_time() - begun))


def _read(world: World) -> None:
    for look in range(int(HOUR / 2 / 15)):
        world.advance(NOON + 15.0 * look)
        for door in world.targets():
            world.page(door.name)


def _ticks(worlds: list[World]) -> None:
    """An hour of every pool of every world."""
    pairs = [(world, pool) for world in worlds for pool in world.spec.pools]
    loads = [
        asked(world.traffic.of(pool=pool.name), NOON, int(HOUR / TICK), TICK, pool.replicas)
        for world, pool in pairs
    ]
    tick_by_tick([pool.engine for _world, pool in pairs], loads, TICK)


def main() -> None:
    """Measure and print."""
    report = {"calibration": calibration(), "fidelity": fidelity(), "speed": speed()}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
