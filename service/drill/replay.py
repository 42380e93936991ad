"""One case of a drill, shown in the console at the demo's speed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from service.config import load
from service.drill.case import Case
from service.life import say
from service.running import run_up
from service.simulated import write_prices


def replay(case: Case, *, console: bool, for_seconds: float | None) -> None:
    """Run *case* as `up --demo` runs its storyline, until a signal or for so many seconds.

    Its files live in a folder that is removed at the end. Ports and the speed are those of the
    environment (`TIDEGAUGE_PORT`, `TIDEGAUGE_DEMO_SPEED`).

    Raises:
        ConfigError: A port is taken.
    """
    with TemporaryDirectory(prefix="tidegauge-replay-") as folder:
        prices = write_prices(case.world, Path(folder))
        config = load(None, os.environ, {"data_dir": folder, "price_file": str(prices)})
        say(f"Replay   {case.name}, seed {case.seed}, cluster {case.cluster}")
        run_up(config, demo=True, console=console, for_seconds=for_seconds, case=case)
