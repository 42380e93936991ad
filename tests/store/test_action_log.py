"""The log of actions: appended to, chained, bound to the incidents' histories, and nothing else."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.action_log import GENESIS, Entry, Step, canonical, chained, fault
from store.database import Database
from store.records import MIGRATIONS, IncidentRecords
from vocabulary.errors import ConflictError

NOON = 1_764_072_000.0


def step(what: str, plan: str = "p1", who: str = "oncall", **body: Any) -> Step:
    return Step(NOON, who, what, plan, "inc-1-R02", "inc-1", body, f"{what} R02")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "control.sqlite"


@pytest.fixture
def records(file: Path) -> Iterator[IncidentRecords]:
    opened = IncidentRecords(file)
    yield opened
    opened.close()


def whole(records: IncidentRecords) -> str:
    return fault(records.actions.page(0, 1000), records.actions.lines_told())


def story(records: IncidentRecords) -> None:
    records.save(steps=[step("planned", call={"name": "chat-1"})])
    records.save(steps=[step("approved")])
    records.save(steps=[step("executing")])
    records.save(steps=[step("executed", status=200), step("planned", "p2")])


def test_what_happened_is_kept_in_order_and_told_in_the_incidents_history(
    records: IncidentRecords,
) -> None:
    story(records)
    found = records.actions.of_plan("p1")
    assert [one.what for one in found] == ["planned", "approved", "executing", "executed"]
    assert found[0].body == {"call": {"name": "chat-1"}}
    assert records.actions.plans_of("inc-1-R02") == ["p1", "p2"]
    assert records.actions.plans_executed(NOON) == ["p1"]
    assert records.actions.plans_executed(NOON + 1) == []
    lines = records.activity("inc-1")
    assert [line.what for line in lines][:2] == ["action planned", "action approved"]
    assert lines[0].text == "planned R02 (plan p1)"
    assert whole(records) == ""


def test_a_plan_is_executed_once_and_approved_once_by_each(records: IncidentRecords) -> None:
    records.save(steps=[step("executing"), step("approved"), step("approved", who="second")])
    for again in ("executing", "approved"):
        with pytest.raises(ConflictError, match=f"p1 is {again} already"):
            records.save(steps=[step(again)])
    assert len(records.actions.of_plan("p1")) == 3
    assert len(records.activity("inc-1")) == 3, "nothing of what was refused is kept"
    assert whole(records) == ""


def test_the_file_itself_refuses_to_change_or_forget(records: IncidentRecords, file: Path) -> None:
    story(records)
    with sqlite3.connect(file) as other:
        for sql in ("UPDATE action_log SET who='x'", "DELETE FROM action_log"):
            with pytest.raises(sqlite3.IntegrityError, match="only appended to"):
                other.execute(sql)
    other.close()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE action_log SET who='somebody else' WHERE sequence=2", "entry 2 is not what"),
        ("UPDATE action_log SET body='{\"status\":404}' WHERE sequence=4", "entry 4 is not what"),
        ("UPDATE action_log SET at=at+1 WHERE sequence=1", "entry 1 is not what"),
        ("DELETE FROM action_log WHERE sequence=3", "entry 3 is missing"),
        ("DELETE FROM action_log WHERE sequence=5", "tell of 5"),
        ("DELETE FROM audit WHERE sequence=5", "tell of 4"),
    ],
)
def test_who_takes_the_triggers_away_and_tampers_is_found(
    records: IncidentRecords, file: Path, sql: str, told: str
) -> None:
    story(records)
    with sqlite3.connect(file) as other:
        other.execute("DROP TRIGGER action_log_keeps")
        other.execute("DROP TRIGGER action_log_stays")
        other.execute(sql)
    other.close()
    assert told in whole(records)


def test_a_whole_chain_forged_anew_still_lacks_its_lines(records: IncidentRecords) -> None:
    story(records)
    previous, forged = GENESIS, []
    for number, one in enumerate(records.actions.page(0, 3), start=1):
        parts = (one.at, "nobody", one.what, one.plan, one.action, one.incident)
        previous = chained(previous, number, *parts, canonical(one.body))
        forged.append(replace(one, who="nobody", hash=previous))
    assert fault(forged, records.actions.lines_told()) != ""
    assert fault(forged, 3) == "", "a chain knows only itself: keep its last hash elsewhere too"


@given(st.integers(0, 4), st.sampled_from(["who", "what", "plan", "action", "incident", "hash"]))
def test_any_field_of_any_entry_that_changes_is_found(place: int, field: str) -> None:
    previous, entries = GENESIS, []
    for number in range(1, 6):
        parts = (NOON + number, "oncall", "planned", f"p{number}", "a", "i")
        previous = chained(previous, number, *parts, canonical({"n": number}))
        entries.append(Entry(number, *parts, {"n": number}, previous))
    assert fault(entries, 5) == ""
    entries[place] = replace(entries[place], **{field: "other"})
    assert fault(entries, 5) != ""


def test_a_file_from_before_is_brought_forward(file: Path) -> None:
    Database(file, MIGRATIONS[:4]).close()
    records = IncidentRecords(file)
    story(records)
    assert whole(records) == ""
    records.close()
