"""`tidegauge bench rca` on a small copy of what petshop looks like."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.service.cli.conftest import Run


def _made(folder: Path) -> None:
    rng, rows = np.random.default_rng(1), []
    for run, length, broken in (("low/noissue", 120, ""), ("low/test/issue_1", 5, "search")):
        for node in ("PetSite", "search", "pay", "list"):
            for statistic in ("Average", "p99"):
                values = 0.1 * np.exp(0.1 * rng.standard_normal(length))
                values[-2:] *= 20.0 if node == broken else 1.0
                rows += [
                    (run, f"{node}|latency|{statistic}", 300 * at, value)
                    for at, value in enumerate(values)
                ]
    table = pd.DataFrame(rows, columns=["run", "series", "t", "v"])
    table.to_parquet(folder / "metrics.parquet")
    target = {"low/test/issue_1": {"root_cause": {"node": "search"}}}
    (folder / "targets.json").write_text(json.dumps(target))


def test_the_component_that_was_broken_is_ranked_first(run: Run, tmp_path: Path) -> None:
    _made(tmp_path)
    ended = run("bench", "rca", "--data", str(tmp_path))
    told = json.loads(ended.out)
    assert told["cases"] == 1
    assert told["tidegauge"] == {"top_1": 1.0, "top_3": 1.0}
    assert set(told) == {"cases", "tidegauge", "baro_robust_scorer", "n_sigma"}


def test_a_folder_without_the_data_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    ended = run("bench", "rca", "--data", str(tmp_path))
    assert ended.code == 2
    assert "has no petshop data" in ended.err
