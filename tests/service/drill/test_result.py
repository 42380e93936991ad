"""Results: what a file of them holds, what counts as worse, and the page made out of one."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from service.drill.provenance import commit, provenance
from service.drill.quality_page import quality_page
from service.drill.result import read_result, regressions, result, write_result
from service.references import NOTICE, RESULT
from vocabulary.errors import ConfigError

START = 1_763_337_600.0
RUN = {"date": "2025-11-20", "commit": "abc", "machine": "2 cores", "command": "tidegauge drill"}


def truth(code: str) -> dict[str, Any]:
    return {
        "code": code, "failure_mode": "x", "benign": False, "entities": ["replica/a"],
        "pool": "pool/chat", "detect_within": 360.0, "duration": 600.0, "severity": "critical",
        "first_cards": ["R01"], "at": START + 900.0, "until": START + 1500.0, "began": True,
        "seen": [],
    }  # fmt: skip


def incident(code: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "inc-1", "code": code, "severity": "critical", "opened_at": START + 960.0,
        "since": START + 900.0, "resolved_at": None, "pool": "pool/chat",
        "entities": ["replica/a"], "causes": [{"code": code, "entity": "replica/a"}],
        "cards": ["R01"], "title": "Engine | stalled", "firing": 1, **changes,
    }  # fmt: skip


def record(code: str, *incidents: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "schema": 1, "case": code, "cluster": "demo", "seed": 1000, "start": START,
        "seconds": 3600.0, "truths": [{**truth(code), "seen": list(incidents)}],
        "incidents": list(incidents),
        "cost": {"cpu_seconds": 20.0, "wall_seconds": 30.0, "peak_mib": 200}, **changes,
    }  # fmt: skip


def calm(*incidents: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**record("B03", *incidents, **changes), "truths": []}


FOUND = record("F01", incident("F01"))
MISSED = record("F24")
BOTH = result([FOUND, MISSED, calm()], {"F28": "no speculative decoding yet"}, **RUN)


def test_a_result_is_kept_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "score.json"
    write_result(file, BOTH)
    assert read_result(file) == json.loads(json.dumps(BOTH))
    assert BOTH["run"]["seeds"] == [1000]
    assert "incidents" not in json.dumps(BOTH), "a result holds scores and no records"


def test_a_file_that_is_no_result_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "score.json"
    with pytest.raises(ConfigError, match=r"cannot read the result .*score\.json"):
        read_result(file)
    file.write_text('{"schema": 7}', encoding="utf-8")
    with pytest.raises(ConfigError, match="no result of schema 1"):
        read_result(file)


def test_the_same_result_is_not_worse() -> None:
    assert regressions(BOTH, BOTH) == []


def test_a_fault_that_was_found_and_is_missed_is_worse() -> None:
    now = result([record("F01"), MISSED, calm()], {}, **RUN)
    assert any("F01 on demo: found 0 of 1, was 1 of 1" in one for one in regressions(BOTH, now))
    assert regressions(now, BOTH) == []


def test_a_fault_that_is_taken_for_another_is_worse() -> None:
    other = incident("F01", causes=[{"code": "F15", "entity": "replica/a"}])
    now = result([record("F01", other), MISSED, calm()], {}, **RUN)
    assert regressions(BOTH, now) == ["F01 on demo: cause first 0 of 1, was 1 of 1"]


def test_a_page_for_nothing_is_worse_and_says_which() -> None:
    now = result([FOUND, MISSED, calm(incident("F02"))], {}, **RUN)
    (line,) = regressions(BOTH, now)
    assert "1 pages for nothing where 0 were (F02 Engine | stalled)" in line


def test_what_is_not_drilled_any_more_is_worse() -> None:
    assert "F24 on demo: not drilled any more" in regressions(BOTH, result([FOUND], {}, **RUN))
    elsewhere = result([{**FOUND, "cluster": "held-out"}], {}, **RUN)
    assert regressions(BOTH, elsewhere) == ["demo: not drilled any more"]


def test_the_page_puts_the_worst_first_and_says_how_little_a_partial_run_is() -> None:
    page = quality_page(BOTH, NOTICE)
    assert page.index("| F24 |") < page.index("| F01 |") < page.index("| all |")
    assert "1 of the 30 seeds" in page
    assert "`tidegauge drill --replay 'F24' --seeds 1000 --cluster demo`" in page
    assert "no speculative decoding yet" in page


def test_a_full_run_is_not_called_partial() -> None:
    full = copy.deepcopy(BOTH)
    full["run"]["seeds"] = list(range(1000, 1030))
    assert "partial" not in quality_page(full, NOTICE)


def test_text_from_telemetry_cannot_break_a_row() -> None:
    page = quality_page(result([FOUND, calm(incident("F02"))], {}, **RUN), NOTICE)
    assert "Engine \\| stalled" in page


def test_the_published_result_never_used_a_seed_of_tuning() -> None:
    assert min(read_result(RESULT)["run"]["seeds"]) >= 1000


def test_a_result_names_every_commit_that_its_cases_were_played_at() -> None:
    both = result([{**FOUND, "commit": "aaa"}, {**MISSED, "commit": "bbb"}], {}, **RUN)
    assert both["run"]["commits"] == ["aaa", "bbb"]
    assert "| commit | `aaa`, `bbb` |" in quality_page(both, NOTICE)
    assert "| commit | `abc` |" in quality_page(BOTH, NOTICE), "older records do not say it"


def test_outside_of_a_checkout_a_result_names_the_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("service.drill.provenance._ROOT", tmp_path / "nowhere")
    assert commit.__wrapped__().startswith("version ")


def test_a_result_says_where_it_comes_from() -> None:
    told = provenance("tidegauge drill", START)
    assert told["date"] == "2025-11-17"
    assert told["commit"]
    assert "cores" in told["machine"]


def test_with_two_clusters_the_page_tells_all_together_and_each_with_its_interval() -> None:
    elsewhere = record("F24", incident("F24"), cluster="held-out", seed=1001)
    both = result([FOUND, MISSED, calm(), elsewhere], {}, **RUN)
    page = quality_page(both, NOTICE)
    together, demo, held_out = (page.index(head) for head in (
        "## All clusters together", "## Cluster `demo`", "## Cluster `held-out`"))  # fmt: skip
    assert "| F24 |" in page[together:demo]
    assert "50 % [9-91]" in page[together:demo], "one of two, over both clusters"
    assert "0 % [0-79]" in page[demo:held_out]
    assert "100 % [21-100]" in page[held_out:]
    assert page.count("### Missed or taken for something else") == 1, "each miss stands once"
    assert "All clusters together" not in quality_page(BOTH, NOTICE)
