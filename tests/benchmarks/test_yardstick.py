"""What `tidegauge bench detection` measures with: known cases, by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import detection
from benchmarks.yardstick import judging, nab_profile
from benchmarks.yardstick.judging import figures, judged, stretches, verdict, volume
from benchmarks.yardstick.labelled import read

MINUTE = 60.0


def flags(rows: int, *spans: tuple[int, int]) -> np.ndarray:
    found = np.zeros(rows, np.bool_)
    for first, last in spans:
        found[first : last + 1] = True
    return found


def test_stretches_bridge_small_gaps() -> None:
    found = flags(20, (2, 4), (6, 7), (12, 12))
    assert stretches(found).tolist() == [[2, 4], [6, 7], [12, 12]]
    assert stretches(found, 2).tolist() == [[2, 7], [12, 12]]
    assert stretches(flags(5)).tolist() == []


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ([(1000, 1005)], (1, 1, 0)),  # inside
        ([(1019, 1019)], (1, 1, 0)),  # within ten minutes after
        ([(1021, 1021)], (1, 0, 1)),  # too late: a false page
        ([(400, 400), (420, 420)], (1, 0, 1)),  # one page, gaps of half an hour bridged
        ([(400, 400), (440, 440)], (1, 0, 2)),
        ([(100, 600)], (1, 0, 3)),  # and again every four hours
        ([(900, 1005)], (1, 1, 1)),  # already firing before
        ([], (1, 0, 0)),
    ],
)
def test_events_found_and_false_pages(alarms: list[tuple[int, int]], expected: tuple) -> None:
    one = judged("x", flags(2000, (1000, 1009)), np.zeros(2000), 0, MINUTE)
    assert verdict(one, flags(2000, *alarms)) == expected


def test_the_volume_is_high_for_a_perfect_score_and_the_odd_share_for_none() -> None:
    odd = flags(5000, (2000, 2049), (3000, 3049))
    noise = np.random.default_rng(1).random(5000)
    assert volume(odd, odd + 1e-3 * noise) > 0.7
    assert volume(odd, noise) < 0.1
    assert np.isnan(volume(flags(10), np.zeros(10)))


def test_one_threshold_for_all_series_keeps_to_the_budget() -> None:
    """Two events at 5 and 3, one false page at 4, on two days: at no false page one is found."""
    scores = np.zeros(1440)
    odd = flags(1440, (500, 509), (900, 909))
    scores[500:510], scores[700], scores[900:910] = 5.0, 4.0, 3.0
    rng = np.random.default_rng(2)
    parts = [judged("x", odd, scores + rng.random(1440) * 1e-3, 0, MINUTE),
             judged("x", flags(1440), rng.random(1440) * 1e-3, 0, MINUTE)]  # fmt: skip
    found, rows = figures(parts), np.arange(2)
    assert found.recall(0.4, rows) == pytest.approx(0.5)
    assert found.recall(0.5, rows) == pytest.approx(1.0)


def test_nab_gives_100_for_the_first_row_of_every_window_and_0_for_silence() -> None:
    odd = flags(1000, (400, 449), (700, 749))
    perfect, silent = np.full(1000, -np.inf), np.full(1000, -np.inf)
    perfect[[400, 700]] = 1.0
    silent[0] = 1.0  # not scored: the detector may still be learning
    assert nab_profile.best_score([(odd, perfect)]) == pytest.approx(100.0)
    late = np.full(1000, -np.inf)
    late[[449, 749]] = 1.0
    assert 45.0 < nab_profile.best_score([(odd, late)]) < 60.0
    silent[500] = 1.0
    assert nab_profile.best_score([(odd, silent)]) < 0.0


def test_an_alarm_is_told_once_a_day() -> None:
    scores = np.zeros(3000)
    scores[[100, 101, 102, 1700]] = [3.0, 2.0, 4.0, 2.5]
    told = nab_profile.told_once(scores, MINUTE)
    assert np.flatnonzero(told > 1.0).tolist() == [100, 102, 1700]


def test_the_benchmark_prints_figures_of_the_sets_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    parts = []
    for name in ("a", "b"):
        values = rng.normal(10.0, 1.0, 1500)
        values[1200:1220] += 12.0
        odd = flags(1500, (1200, 1219)).astype(int)
        times = 60 * np.arange(1500)
        parts.append(pd.DataFrame({"series": name, "t": times, "v": values, "y": odd}))
    (tmp_path / "ms_cloud").mkdir()
    pd.concat(parts).to_parquet(tmp_path / "ms_cloud" / "series.parquet")
    assert [one.first for one in read(tmp_path)] == [375, 375]
    monkeypatch.setattr(judging, "DRAWS", 10)
    monkeypatch.setattr(judging, "LEVELS", 20)
    monkeypatch.setattr(sys, "argv", ["detection", "--data", str(tmp_path), "--part", "points"])
    detection.main()
    said = json.loads(capsys.readouterr().out)
    assert said["series"] == 2
    assert said["points"]["tidegauge"]["recall_at"]["1"][0] == 1.0
    assert said["points"]["tidegauge at its default"]["recall"][0] == 1.0
    assert set(said["points"]["lead over the best peer"]) == {
        "vus_pr", "recall_at_1", "recall_at_0.1", "recall_at_0.01"
    }  # fmt: skip
