"""`tidegauge changes FILE`: the contract of the answer, loads, tables, and clear words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from service.changes_file import changes_file
from service.cli import app
from vocabulary.errors import ConfigError
from vocabulary.incidents import from_rfc3339

START = 1_750_000_000


def table(rows: int = 2400, factor: float = 1.1) -> pd.DataFrame:
    """Latency that follows its load, *factor* slower from row 2000 on."""
    rng = np.random.default_rng(3)
    load = 40.0 + 30.0 * np.sin(np.arange(rows) / 200.0) + rng.normal(0.0, 5.0, rows)
    latency = (0.01 + 0.0005 * load) * np.exp(rng.normal(0.0, 0.015, rows))
    latency[2000:] *= factor
    return pd.DataFrame({"time": START + 60 * np.arange(rows), "latency": latency, "load": load})


def written(folder: Path, frame: pd.DataFrame, name: str = "x.csv") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_slow_down_at_equal_load_has_every_field_of_the_contract(
    tmp_path: Path, name: str
) -> None:
    answer = changes_file(written(tmp_path, table(), name), covariates=("load",))
    assert list(answer["columns"]) == ["latency"]
    (change,) = answer["columns"]["latency"]["changes"]
    assert set(change) == {
        "index", "time", "before", "after", "effect", "interval", "p_value", "detected_at",
    }  # fmt: skip
    assert abs(change["index"] - 2000) <= 5
    assert from_rfc3339(change["time"]) == START + 60 * change["index"]
    since = (from_rfc3339(change["detected_at"]) or 0.0) - (START + 60 * 2000)
    assert 0.0 <= since < 1800.0
    assert change["after"] - change["before"] == pytest.approx(change["effect"], rel=1e-3)
    assert change["interval"][0] < change["effect"] < change["interval"][1]


def test_without_the_load_the_same_column_shows_nothing(tmp_path: Path) -> None:
    answer = changes_file(written(tmp_path, table(factor=1.05)), value_columns=("latency",))
    assert answer["columns"]["latency"]["changes"] == []


def test_an_index_is_a_row_of_the_file_whatever_its_order(tmp_path: Path) -> None:
    frame = table()
    path = written(tmp_path, frame.iloc[::-1])
    (change,) = changes_file(path, covariates=("load",))["columns"]["latency"]["changes"]
    assert abs(len(frame) - 1 - change["index"] - 2000) <= 5


def test_a_history_names_what_it_withdrew(tmp_path: Path) -> None:
    runs = 100.0 * np.exp(np.random.default_rng(1).normal(0.0, 0.01, 260))
    runs[150:160] *= 1.2
    frame = pd.DataFrame({"time": START + 7200 * np.arange(260), "seconds": runs})
    said = changes_file(written(tmp_path, frame))["columns"]["seconds"]
    assert said["changes"] == []
    assert said["withdrawn"]
    assert all(one["withdrawn_at"] > one["detected_at"] for one in said["withdrawn"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"covariates": ("lod",)}, "no column 'lod' (--covariate)"),
        ({"covariates": ("latency", "load")}, "besides the covariates"),
        ({"value_columns": ("cost",)}, "no column 'cost'"),
        ({"time_column": "when"}, "no column 'when'"),
    ],
)
def test_a_wrong_name_is_told(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    path = written(tmp_path, table(300, 1.0))
    with pytest.raises(ConfigError) as caught:
        changes_file(path, **arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_the_command_prints_json_or_a_table_and_exits_0(tmp_path: Path) -> None:
    path = str(written(tmp_path, table()))
    run = CliRunner().invoke(app, ["changes", path, "--covariate", "load"])
    assert run.exit_code == 0
    assert len(json.loads(run.stdout)["columns"]["latency"]["changes"]) == 1
    run = CliRunner().invoke(app, ["changes", path, "--covariate", "load", "-o", "table"])
    assert run.exit_code == 0
    assert "1 changes" in run.stdout
    assert "detected at" in run.stdout
