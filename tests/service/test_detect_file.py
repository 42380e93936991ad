"""`tidegauge detect FILE`: tables in, causal scores and events out, clear words for bad files."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.detect_file import detect_file
from vocabulary.errors import ConfigError
from vocabulary.incidents import from_rfc3339

START = 1_750_000_000
SPIKE = slice(900, 912)


def series(rows: int = 1200, step: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    values = 100.0 + 10.0 * np.sin(np.arange(rows) / 40.0) + rng.normal(0.0, 1.0, rows)
    values[SPIKE] += 60.0
    return pd.DataFrame({"time": START + step * np.arange(rows), "value": values})


def written(folder: Path, table: pd.DataFrame, name: str = "x.csv") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


def test_the_spike_is_the_only_event_and_has_the_highest_scores(tmp_path: Path) -> None:
    table = series()
    answer = detect_file(written(tmp_path, table))["columns"]["value"]
    assert len(answer["scores"]) == len(table)
    scores = np.array([np.nan if one is None else one for one in answer["scores"]])
    assert SPIKE.start <= int(np.nanargmax(scores)) < SPIKE.stop
    (event,) = answer["events"]
    assert event["direction"] == "up"
    at = [from_rfc3339(event[name]) for name in ("start", "peak", "end")]
    assert at == sorted(at, key=lambda one: one or 0.0)
    assert abs((at[0] or 0.0) - (START + 60 * SPIKE.start)) <= 120.0


def test_a_drop_points_down(tmp_path: Path) -> None:
    table = series()
    table.loc[SPIKE, "value"] -= 120.0
    (event, *_) = detect_file(written(tmp_path, table))["columns"]["value"]["events"]
    assert event["direction"] == "down"


def test_a_score_uses_only_the_past_and_its_own_row(tmp_path: Path) -> None:
    whole = series()
    full = detect_file(written(tmp_path, whole))["columns"]["value"]["scores"]
    for rows in (300, 777, 905):
        part = detect_file(written(tmp_path, whole.head(rows)))["columns"]["value"]["scores"]
        assert part == full[:rows]


def test_early_rows_and_missing_values_are_null(tmp_path: Path) -> None:
    table = series()
    table.loc[500:504, "value"] = np.nan
    scores = detect_file(written(tmp_path, table))["columns"]["value"]["scores"]
    assert scores[:50] == [None] * 50
    assert scores[500:505] == [None] * 5
    assert None not in scores[50:500]
    json.dumps(scores, allow_nan=False)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.csv.gz"])
@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_every_epoch_and_file_gives_the_same_answer(tmp_path: Path, name: str, unit: int) -> None:
    table = series()
    expected = detect_file(written(tmp_path, table, "plain.csv"))
    table["time"] = table["time"] * unit
    assert detect_file(written(tmp_path, table, name)) == expected


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+00:00"])  # fmt: skip  # noqa: E501
def test_iso_times_are_understood(tmp_path: Path, form: str) -> None:
    table = series()
    expected = detect_file(written(tmp_path, table))
    table["time"] = pd.to_datetime(table["time"], unit="s").dt.strftime(form)
    assert detect_file(written(tmp_path, table)) == expected


def test_datetimes_in_parquet_are_understood(tmp_path: Path) -> None:
    table = series()
    expected = detect_file(written(tmp_path, table))
    table = table.rename(columns={"time": "when"})
    table["when"] = pd.to_datetime(table["when"], unit="s", utc=True)
    assert detect_file(written(tmp_path, table, "x.parquet")) == expected


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    table = series()
    sorted_scores = detect_file(written(tmp_path, table))["columns"]["value"]["scores"]
    mixed = table.sample(frac=1.0, random_state=1)
    answer = detect_file(written(tmp_path, mixed))["columns"]["value"]["scores"]
    assert answer == [sorted_scores[index] for index in mixed.index]


def test_columns_are_chosen_by_name_or_all_numeric_ones(tmp_path: Path) -> None:
    table = series().assign(other=1.0, note="text")
    path = written(tmp_path, table.rename(columns={"time": "clock"}))
    both = detect_file(path, "clock")
    assert list(both["columns"]) == ["value", "other"]
    assert list(detect_file(path, "clock", ("value",))["columns"]) == ["value"]


def test_a_flat_series_has_no_event(tmp_path: Path) -> None:
    table = series().assign(value=3.0)
    assert detect_file(written(tmp_path, table))["columns"]["value"]["events"] == []


def test_noise_alone_has_next_to_no_events(tmp_path: Path) -> None:
    """At the default alarm about one event in ten series-days is false; here are 14 days."""
    values = np.random.default_rng(1).normal(0.0, 1.0, 14 * 1440)
    table = pd.DataFrame({"time": START + 60 * np.arange(len(values)), "value": values})
    events = detect_file(written(tmp_path, table))["columns"]["value"]["events"]
    assert len(events) <= 3


def test_scores_are_comparable_across_series(tmp_path: Path) -> None:
    """The unit of a series does not matter: micrograms or tonnes, the same surprise."""
    table = series()
    table["scaled"] = table["value"] * 1e6 + 5e8
    columns = detect_file(written(tmp_path, table))["columns"]
    pairs = zip(columns["value"]["scores"], columns["scaled"]["scores"], strict=True)
    assert all(a == b or abs(a - b) < 0.01 for a, b in pairs)


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        ("", {}, "not readable"),
        ("time,value\n", {}, "no rows"),
        ("a,b\n1,2\n", {}, "--time-column"),
        ("time,value\nyesterday,2\n", {}, "row 1: 'yesterday'"),
        ("time,value\n1,x\n2,y\n", {}, "no numeric column"),
        ("time,value\n1,2\n", {"time_column": "when"}, "no column 'when'"),
        ("time,value\n1,2\n", {"value_columns": ("cost",)}, "no column 'cost'"),
        ("time,value,n\n1,2,a\n", {"value_columns": ("n",)}, "holds no number"),
    ],
)
def test_a_bad_file_is_named_with_the_mend(
    tmp_path: Path, content: str, arguments: dict[str, object], words: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        detect_file(path, **arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_false_parquet_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        detect_file(tmp_path / "nowhere.csv")
    fake = tmp_path / "fake.parquet"
    fake.write_text("time,value\n1,2\n")
    with pytest.raises(ConfigError, match="not readable"):
        detect_file(fake)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), min_size=1, max_size=150)
)
def test_any_numbers_give_one_finite_score_or_null_a_row(values: list[float | None]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame({"time": START + np.arange(len(values)), "v": values}, dtype=float)
        scores = detect_file(written(Path(folder), table))["columns"]["v"]["scores"]
    assert len(scores) == len(values)
    assert all(one is None or np.isfinite(one) for one in scores)


def test_a_hundred_thousand_rows_take_seconds_not_minutes(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 100_000)
    path = written(tmp_path, pd.DataFrame({"time": START + 60 * np.arange(100_000), "v": values}))
    began = time.process_time()
    detect_file(path)
    assert time.process_time() - began < 10.0


def test_a_burst_that_ends_is_a_move_up_and_an_hours_dip_is_found() -> None:
    """The shipped example: a dip of 45 % for an hour, and later a burst of errors."""
    example = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "example.csv"
    found = detect_file(example)["columns"]
    dip, back = found["tokens_per_second"]["events"]
    (burst,) = found["error_rate"]["events"]
    assert (dip["direction"], dip["start"][:13]) == ("down", "2026-11-03T10")
    assert (back["direction"], back["start"][:13]) == ("up", "2026-11-03T11")
    assert dip["score"] > back["score"]
    assert (burst["direction"], burst["start"][:13]) == ("up", "2026-11-03T17")
