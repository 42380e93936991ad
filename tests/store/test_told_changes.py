"""Changes are kept in the order they were told, each once, and read beside whoever writes."""

import sqlite3
from pathlib import Path

import pytest

from store.database import Database
from store.records import MIGRATIONS, IncidentRecords
from store.told_changes import KEPT_SECONDS, SINCE_VERSION, Told, read_told_changes
from vocabulary.entities import Change, Entity, EntityKind
from vocabulary.errors import StoreError

POOL = Entity(EntityKind.POOL, "llm/chat", "chat")
ROLLOUT = Change(100.0, "rollout", POOL, "image 1 → 2", "llm/chat", "uid/7")
SCALE = Change(90.0, "scale", POOL, "replicas asked for 2 → 3", "llm/chat")


def test_what_was_told_late_comes_in_the_order_it_arrived_while_the_file_is_held(
    tmp_path: Path,
) -> None:
    file = tmp_path / "control.sqlite"
    records = IncidentRecords(file)
    records.told_changes.keep([ROLLOUT], 105.0)
    records.told_changes.keep([SCALE], 120.0)
    assert read_told_changes(file, 0.0, 200.0) == [Told(105.0, ROLLOUT), Told(120.0, SCALE)]
    assert [one.change.id for one in read_told_changes(file, 0.0, 200.0)] == ["uid/7", ""]
    assert read_told_changes(file, 106.0, 200.0) == [Told(120.0, SCALE)]
    assert read_told_changes(file, 0.0, 119.0) == [Told(105.0, ROLLOUT)]
    records.close()


def test_what_is_told_again_is_kept_once_as_it_first_arrived(tmp_path: Path) -> None:
    records = IncidentRecords(tmp_path / "control.sqlite")
    records.told_changes.keep([ROLLOUT, SCALE], 105.0)
    records.told_changes.keep([ROLLOUT, SCALE], 300.0)
    records.close()
    told = read_told_changes(tmp_path / "control.sqlite", 0.0, 400.0)
    assert told == [Told(105.0, ROLLOUT), Told(105.0, SCALE)]


def test_what_is_older_than_any_replay_reaches_is_forgotten(tmp_path: Path) -> None:
    records = IncidentRecords(tmp_path / "control.sqlite")
    records.told_changes.keep([ROLLOUT], 105.0)
    records.told_changes.keep([SCALE], 200.0)
    records.tidy(106.0 + KEPT_SECONDS)
    records.close()
    assert read_told_changes(tmp_path / "control.sqlite", 0.0, 1e9) == [Told(200.0, SCALE)]


def test_a_file_from_before_holds_none_and_one_that_is_no_file_is_named(tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite"
    Database(old, MIGRATIONS[: SINCE_VERSION - 1]).close()
    assert read_told_changes(old, 0.0, 1e9) == []
    with pytest.raises(StoreError, match=r"nowhere\.sqlite"):
        read_told_changes(tmp_path / "nowhere.sqlite", 0.0, 1.0)
    sqlite3.connect(tmp_path / "other.sqlite").close()
    assert read_told_changes(tmp_path / "other.sqlite", 0.0, 1.0) == []
