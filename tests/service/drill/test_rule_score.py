"""Alert rules in a drill: when they fire, and what that is worth."""

from typing import Any

import numpy as np

from service.drill.quality_page import quality_page
from service.drill.result import result
from service.drill.rule_score import fell_short, rule_result, rule_rows, rule_table
from service.drill.rule_trial import seconds, spans

START = 1_763_337_600.0
ONSET = START + 900.0
STALLED = "EngineStalled critical"
RUN = {"date": "2025-11-20", "commit": "abc", "machine": "2 cores", "command": "tidegauge drill"}


def truth(**changes: Any) -> dict[str, Any]:
    return {
        "code": "F01", "benign": False, "began": True, "at": ONSET, "until": ONSET + 600.0,
        "detect_within": 360.0, **changes,
    }  # fmt: skip


def record(*truths: dict[str, Any], fired: tuple[float, ...] = (), **more: Any) -> dict[str, Any]:
    alerts = [
        {"alert": "EngineStalled", "rule": STALLED, "labels": {}, "at": at, "until": at + 60.0}
        for at in fired
    ]
    return {
        "schema": 1, "commit": "abc", "case": "F01", "cluster": "demo", "seed": 1000,
        "start": START, "seconds": 3600.0, "truths": list(truths), "alerts": alerts, **more,
    }  # fmt: skip


def row(*records: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in rule_rows(records) if one["rule"] == STALLED)


def moments(*ranges: tuple[float, float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([np.arange(low, high + 1.0, 30.0) for low, high in ranges])


def test_an_alert_fires_once_its_value_has_been_there_for_as_long_as_it_must() -> None:
    assert list(spans(moments((300.0, 600.0)), 120.0, 0.0)) == [(420.0, 600.0)]
    assert list(spans(moments((300.0, 390.0)), 120.0, 0.0)) == []
    assert list(spans(np.empty(0), 0.0, 0.0)) == []


def test_a_gap_begins_the_wait_anew() -> None:
    broken = moments((0.0, 90.0), (180.0, 300.0))
    assert list(spans(broken, 120.0, 0.0)) == [(300.0, 300.0)]


def test_an_alert_that_is_kept_bridges_gaps_and_ends_late() -> None:
    broken = moments((0.0, 30.0), (300.0, 330.0), (2000.0, 2000.0))
    assert list(spans(broken, 0.0, 900.0)) == [(0.0, 1230.0), (2000.0, 2900.0)]


def test_durations_are_those_of_prometheus() -> None:
    assert [seconds(one) for one in ("0m", "90s", "5m", "2h", "1d")] == [
        0.0, 90.0, 300.0, 7200.0, 86_400.0,
    ]  # fmt: skip


def test_a_rule_that_fires_on_its_fault_is_in_time_or_late() -> None:
    found = row(record(truth(), fired=(ONSET + 120.0,)), record(truth(), fired=(ONSET + 480.0,)))
    assert (found["fired"]["hits"], found["in_time"]["hits"], found["in_time"]["of"]) == (2, 1, 2)
    assert found["delay_seconds"] == 300.0
    assert not found["early"]
    assert fell_short([found])


def test_of_a_fault_with_two_rules_one_is_enough() -> None:
    dead = truth(code="F02")
    alert = {"alert": "EngineDead", "labels": {}, "at": ONSET + 60.0, "until": ONSET + 90.0}
    found = {**record(dead), "alerts": [{**alert, "rule": "EngineDead warning"}]}
    assert not fell_short(rule_rows([found]))
    assert fell_short(rule_rows([record(dead)]))


def test_a_rule_that_fires_before_anything_is_wrong_fires_early_and_finds_nothing() -> None:
    found = row(record(truth(), fired=(ONSET - 300.0,)))
    assert found["fired"]["hits"] == 0
    assert found["early"] == ["F01 seed 1000"]


def test_a_rule_must_be_quiet_while_nothing_is_wrong() -> None:
    look_alike = truth(code="B09", benign=True)
    loud = row(record(look_alike, fired=(ONSET,), case="B09"), record(case="calm"))
    assert (loud["quiet"]["hits"], loud["quiet"]["of"]) == (1, 2)
    assert loud["in_time"]["value"] is None, "its own fault was not played"


def test_other_faults_it_fires_on_are_named() -> None:
    assert row(record(truth(code="F04"), fired=(ONSET + 60.0,)))["others"] == {"F04": 1}


def test_what_misses_its_fault_stands_first_and_what_was_not_played_last() -> None:
    rows = rule_rows([record(truth(), truth(code="F02"))])
    assert {one["rule"].split()[0] for one in rows[:3]} == {"EngineStalled", "EngineDead"}
    assert rule_table(rows)[-1][3] == "-"
    assert "Watchdog" not in {one["rule"].split()[0] for one in rows}, "it always fires"


def test_the_page_holds_the_rules_and_says_how_little_one_seed_is() -> None:
    drilled = result([], {}, **RUN)
    rules = rule_result([record(truth(), fired=(ONSET + 120.0,))], **RUN)
    page = quality_page({**drilled, "run": {**drilled["run"], "seeds": [1000]}}, "", rules)
    assert f"| {STALLED} | F01 | 100 %" in page
    assert "1 cases on demo at commit `abc`" in page
    assert page.count("This is a partial run") == 2
