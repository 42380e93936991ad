"""What befalls the product in the middle of a fault: it is granted, survived and scored."""

from typing import Any

import pytest

import detectors.engine_stalled
from service import assembly
from service.drill.case import Case, Corpus, alone
from service.drill.hardship import HARDSHIPS, known_hardship
from service.drill.plan import Request
from service.drill.record import play
from service.drill.score import summary
from service.drill.table import group_rows, miss_rows
from simulator.faults.engine_stalled import EngineStalled
from simulator.schedule import Event
from vocabulary.errors import ConfigError

CASE = Case(
    "F01", 3, 1_763_337_600.0 + 36_000.0, (Event(60.0, EngineStalled(duration=900.0)),), 360.0, 0.1
)


def test_each_hardship_begins_around_its_fault_and_its_blind_seconds_are_granted() -> None:
    for name, hardship in HARDSHIPS.items():
        under = CASE.under(name)
        assert under.trial is not None
        assert under.trial.at == max(
            CASE.start, CASE.start + (60.0 + hardship.after) // 15.0 * 15.0
        )
        assert under.seconds == CASE.seconds + hardship.blind
        assert under.events == CASE.events
        assert under.id != CASE.id
    assert CASE.trial is None


def test_an_unknown_hardship_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="agent-restart"):
        known_hardship("flood")


def test_every_case_of_a_plan_is_drilled_once_more_under_each_hardship() -> None:
    request = Request("F01", seeds="1,2", calm_hours=1.0, hardships="gap,server-restart")
    plan = request.plan(Corpus.found())
    names = [one.name for one in plan]
    assert names.count("F01") == names.count("F01 with gap") == 2
    assert names.count("F01 with server-restart") == 2
    assert names.count("calm") == 2, "in a calm there is no middle of a fault"
    twin = next(one for one in plan if one.name == "F01 with gap")
    assert twin.events == alone(Corpus.found().named("F01"), 1, "demo").events


def only_one(record: dict[str, Any]) -> bool:
    """Whether the stall is one incident, told once, the same before and after."""
    mine = [one for one in record["incidents"] if one["code"] == "F01"]
    seen = [one for one in record["truths"][0]["seen"] if one["code"] == "F01"]
    return [one["id"] for one in mine] == [one["id"] for one in seen] and (
        [one["firing"] for one in mine] == [1]
    )


def test_a_server_that_was_down_goes_on_from_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = {"engine_stalled": detectors.engine_stalled.EngineStalled()}
    monkeypatch.setattr(assembly, "all_detectors", lambda _config: watching)
    assert only_one(play(CASE.under("server-restart")))


@pytest.mark.prove
@pytest.mark.parametrize("name", sorted(HARDSHIPS))
def test_a_stalled_engine_is_found_once_whatever_befalls_us(name: str) -> None:
    assert only_one(play(CASE.under(name)))


def test_hardships_have_their_own_rows_and_a_miss_is_shown_under_them() -> None:
    def record(case: str, *seen: dict[str, Any]) -> dict[str, Any]:
        truth = {
            "code": "F01", "benign": False, "began": True, "entities": ["replica/a"], "pool": "",
            "at": 0.0, "until": 60.0, "severity": "critical", "first_cards": ["R01"],
            "seen": list(seen),
        }  # fmt: skip
        return {
            "case": case, "cluster": "demo", "seed": 1, "start": 0.0, "seconds": 600.0,
            "truths": [truth], "incidents": [], "cost": {"cpu_seconds": 1.0},
        }  # fmt: skip

    score = summary([record("F01"), record("F01 with gap")])
    assert [(row["name"], row["runs"]) for row in score["hardships"]] == [("gap", 1)]
    assert "with gap" in [row[0] for row in group_rows(score)]
    assert {row[1] for row in miss_rows(score)} == {"F01", "F01 with gap"}
    command = "tidegauge drill --replay 'F01' --seeds 1 --cluster demo"
    assert {row[4] for row in miss_rows(score)} == {command, f"{command} --hardship gap"}
