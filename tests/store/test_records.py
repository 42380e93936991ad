"""Control state: kept whole or not at all, never altered unnoticed, brought forward with age."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.database import Database
from store.incident_query import Wanted
from store.outbox import Notice
from store.records import MIGRATIONS, SCHEMA, Answer, IncidentRecords, Kept, Silence
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import Entity, EntityKind
from vocabulary.errors import ConflictError, NotFound, RequestRefused, StoreError
from vocabulary.failure_modes import Severity
from vocabulary.incidents import (
    Activity,
    Cause,
    EvidenceRecord,
    Impact,
    Incident,
    IncidentState,
    NearbyChange,
    incident_from_json,
    incident_json,
)

NOON = 1_764_072_000.0
REPLICA = Entity(EntityKind.REPLICA, "east/prod/uid-1/engine", "chat-1")


def an_incident(number: int = 1, **more: object) -> Incident:
    made = Incident(
        id=f"inc-{number:012d}",
        failure_mode=f.ENGINE_STALLED,
        title="Engine stalled",
        headline="chat is stalled",
        severity=Severity.CRITICAL,
        state=IncidentState.OPEN,
        opened_at=NOON + number,
        since=NOON - 60,
        updated_at=NOON + number,
        entity=REPLICA,
        entities=(REPLICA,),
        pool="prod/chat",
        model="llama",
        tenants=("acme",),
    )
    return made.evolve(**more)


def kept(*incidents: Incident) -> list[Kept]:
    return [Kept(one, {"tracked": []}) for one in incidents]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[IncidentRecords]:
    made = IncidentRecords(tmp_path / "control.sqlite")
    yield made
    made.close()


def act(what: str, at: float = NOON, who: str = "ann", text: str = "") -> Activity:
    return Activity(at, who, what, text)


moments = st.integers(0, 4_000_000_000_000).map(lambda millis: millis / 1000.0)
words = st.text(max_size=20)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(
    incident=st.builds(
        Incident,
        id=words,
        failure_mode=st.sampled_from(f.ALL),
        title=words,
        headline=words,
        severity=st.sampled_from(Severity),
        state=st.sampled_from(IncidentState),
        opened_at=moments,
        since=moments,
        updated_at=moments,
        entity=st.just(REPLICA),
        resolved_at=st.none() | moments,
        impact=st.builds(
            Impact,
            numbers,
            numbers,
            st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=4),
            numbers,
            words,
        ),
        causes=st.lists(
            st.builds(Cause, st.sampled_from(f.ALL), st.just(REPLICA), st.just(0.25), words),
            max_size=2,
        ).map(tuple),
        changes=st.lists(
            st.builds(NearbyChange, moments, words, st.just(REPLICA), words, st.just(-5.0)),
            max_size=2,
        ).map(tuple),
        evidence=st.lists(
            st.builds(
                EvidenceRecord, words, words, st.just(REPLICA), words, moments, moments, numbers,
                numbers, numbers, numbers, words, words, st.booleans(),
            ),
            max_size=2,
        ).map(tuple),
        actions=st.lists(
            st.builds(
                Action, words, words, words, st.sampled_from(Autonomy), words, words, words, words,
                words, words, st.none() | st.booleans(),
            ),
            max_size=2,
        ).map(tuple),
        activity=st.lists(st.builds(Activity, moments, words, words, words), max_size=2).map(tuple),
        silenced_until=st.none() | moments,
    )
)  # fmt: skip
def test_an_incident_survives_its_json_whole(incident: Incident) -> None:
    assert incident_from_json(incident_json(incident)) == incident


def test_money_and_time_survive_the_file(records: IncidentRecords) -> None:
    told = an_incident(impact=Impact(3.0, None, Decimal("12.50"), 2.5, "counted"))
    records.save(kept(told), [(told.id, act("opened"))])
    assert records.get(told.id) == told.evolve(activity=(act("opened"),))


def test_what_is_not_there_is_not_found(records: IncidentRecords) -> None:
    with pytest.raises(NotFound, match="inc-none"):
        records.get("inc-none")


def test_a_save_that_fails_half_way_leaves_nothing(records: IncidentRecords) -> None:
    first = an_incident(1)
    answer = Answer("key", {"verb": "ack"}, first, NOON)
    records.save(kept(first), [(first.id, act("opened"))], answer=answer)
    second = an_incident(2)
    with pytest.raises(ConflictError):
        records.save(kept(second), [(second.id, act("opened"))], answer=answer)
    with pytest.raises(NotFound):
        records.get(second.id)
    assert records.sequence == 1
    records.save(kept(second), [(second.id, act("opened"))])
    assert records.broken_link() is None


def test_the_same_key_and_body_get_the_same_answer_and_another_body_none(
    records: IncidentRecords,
) -> None:
    told = an_incident()
    records.save(kept(told), answer=Answer("key", {"verb": "ack", "who": "ann"}, told, NOON))
    assert records.answered("key", {"who": "ann", "verb": "ack"}) == told
    assert records.answered("other", {"verb": "ack"}) is None
    with pytest.raises(ConflictError, match="another request"):
        records.answered("key", {"verb": "resolve", "who": "ann"})


def test_pages_do_not_shift_when_something_new_arrives(records: IncidentRecords) -> None:
    records.save(kept(*(an_incident(n) for n in range(1, 8))))
    page, cursor = records.page(Wanted(), 3, None)
    records.save(kept(an_incident(9)))
    seen = [one.id for one in page]
    while cursor:
        page, cursor = records.page(Wanted(), 3, cursor)
        seen += [one.id for one in page]
    assert seen == [f"inc-{n:012d}" for n in range(7, 0, -1)]


def test_filters_by_state_severity_time_and_words(records: IncidentRecords) -> None:
    over = an_incident(
        1, state=IncidentState.RESOLVED, resolved_at=NOON + 10, severity=Severity.WARNING
    )
    records.save(kept(over, an_incident(2, title="Straggler GPU", tenants=("Zed",))))

    def ids(**wanted: object) -> list[str]:
        return [one.id[-1] for one in records.page(Wanted(**wanted), 10, None)[0]]

    assert ids(state=IncidentState.OPEN) == ["2"]
    assert ids(severity=Severity.WARNING) == ["1"]
    assert ids(since=NOON + 11) == ["2"]
    assert ids(since=NOON + 10) == ["2", "1"]
    assert ids(q="straggler zed") == ["2"]
    assert ids(q="straggler nobody") == []
    assert ids(q="%") == []


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U=", "WzFd", "ü"])
def test_a_made_up_cursor_is_refused(records: IncidentRecords, cursor: str) -> None:
    with pytest.raises(RequestRefused):
        records.page(Wanted(), 3, cursor)


def test_history_that_was_altered_is_noticed(records: IncidentRecords, tmp_path: Path) -> None:
    records.save((), [("inc-1", act("opened")), ("inc-1", act("acknowledged"))])
    records.save((), [("inc-1", act("resolved"))])
    assert records.broken_link() is None
    with sqlite3.connect(tmp_path / "control.sqlite") as other:
        other.execute("UPDATE audit SET who='eve' WHERE sequence=2")
    other.close()
    assert records.broken_link() == 2


def test_history_that_lost_a_line_is_noticed(records: IncidentRecords, tmp_path: Path) -> None:
    records.save((), [("inc-1", act(str(n))) for n in range(4)])
    with sqlite3.connect(tmp_path / "control.sqlite") as other:
        other.execute("DELETE FROM audit WHERE sequence=2")
    other.close()
    assert records.broken_link() == 3


def test_a_tail_that_a_bad_disk_dropped_is_noticed_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    records = IncidentRecords(path)
    records.save((), [("inc-1", act("opened")), ("inc-1", act("acknowledged"))])
    records.close()
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM audit WHERE sequence=2")
    other.close()
    again = IncidentRecords(path)
    assert again.lost == 1
    assert again.broken_link() is None, "the chain alone cannot tell that its end is gone"
    again.close()


def test_a_file_of_the_first_version_is_brought_forward_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    old = Database(path, [SCHEMA])
    with old.transaction() as connection:
        connection.execute("INSERT INTO snapshots VALUES ('fleet', '[1]', 5.0)")
    old.close()
    assert len(MIGRATIONS) > 1
    records = IncidentRecords(path)
    assert records.snapshot("fleet") == ([1], 5.0)
    assert records.outbox.waiting("nobody") == 0
    records.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    Database(path, [*MIGRATIONS, "CREATE TABLE later (x)"]).close()
    with pytest.raises(StoreError, match="schema version"):
        IncidentRecords(path)


def test_two_processes_cannot_write_one_file(tmp_path: Path, records: IncidentRecords) -> None:
    with pytest.raises(StoreError, match="another process"):
        IncidentRecords(tmp_path / "control.sqlite")


def test_silences_end_by_themselves(records: IncidentRecords) -> None:
    silence = Silence("s-1", "inc-1", NOON, NOON + 60, "ann", "known")
    records.save(silences=[silence])
    assert records.silences(NOON) == [silence]
    assert records.silences(NOON + 60) == []


def test_counts_acts_of_the_last_days(records: IncidentRecords) -> None:
    records.save((), [("i", act("paged", NOON - 10)), ("i", act("paged")), ("i", act("note"))])
    assert records.acts("paged", NOON - 5) == 1
    assert records.acts("paged", NOON - 50) == 2


def test_old_answers_are_forgotten(records: IncidentRecords) -> None:
    told = an_incident()
    records.save(kept(told), answer=Answer("key", {}, told, NOON))
    records.tidy(NOON + 8 * 86400)
    assert records.answered("key", {"another": "request"}) is None


def notice(**more: object) -> Notice:
    made = {
        "receiver": "am",
        "key": "inc-1/critical",
        "body": {"a": 1},
        "opened_at": NOON,
        "due_at": NOON,
    }
    return Notice(**{**made, **more})


def test_a_newer_state_put_while_an_attempt_was_under_way_is_not_lost(
    records: IncidentRecords,
) -> None:
    records.save(notices=[notice()])
    (sent,) = records.outbox.due("am", NOON)
    records.save(notices=[notice(body={"a": 2}, due_at=NOON + 1)])
    records.outbox.update([Notice(**{**_fields(sent), "accepted_at": NOON, "due_at": NOON + 60})])
    (newer,) = records.outbox.due("am", NOON + 1)
    assert newer.body == {"a": 2}
    assert newer.accepted_at == NOON


def test_an_end_put_while_an_attempt_was_under_way_is_not_lost(records: IncidentRecords) -> None:
    records.save(notices=[notice()])
    (sent,) = records.outbox.due("am", NOON)
    records.save(notices=[notice(due_at=NOON + 1, resolved_at=NOON + 1)])
    records.outbox.update([Notice(**{**_fields(sent), "accepted_at": NOON, "due_at": NOON + 60})])
    (newer,) = records.outbox.due("am", NOON + 1)
    assert (newer.resolved_at, newer.accepted_at) == (NOON + 1, NOON)


def test_receivers_do_not_hold_each_other_up(records: IncidentRecords) -> None:
    records.save(notices=[notice(), notice(receiver="other")])
    (mine,) = records.outbox.due("am", NOON)
    records.outbox.update([Notice(**{**_fields(mine), "settled_at": NOON})])
    assert records.outbox.due("am", NOON + 1e9) == []
    assert records.outbox.waiting("other") == 1


def test_what_opens_again_is_told_afresh(records: IncidentRecords) -> None:
    records.save(notices=[notice()])
    (mine,) = records.outbox.due("am", NOON)
    records.outbox.update(
        [Notice(**{**_fields(mine), "accepted_at": NOON, "settled_at": NOON + 400})]
    )
    records.save(notices=[notice(opened_at=NOON + 900, due_at=NOON + 900)])
    (again,) = records.outbox.due("am", NOON + 900)
    assert again.accepted_at is None


def _fields(one: Notice) -> dict[str, object]:
    return {name: getattr(one, name) for name in Notice.__slots__}


def _save_until_killed(path: Path, told: multiprocessing.connection.Connection) -> None:
    records = IncidentRecords(path)
    for number in range(1, 100_000):
        records.save(
            kept(an_incident(number)),
            [(an_incident(number).id, act("acknowledged"))],
            [notice(key=f"{number}")],
        )
        told.send_bytes(b"%d" % number)


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "control.sqlite"
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_save_until_killed, args=(path, theirs))
    child.start()
    theirs.close()
    for _ in range(20 + 13 * seed):
        last = int(ours.recv_bytes())
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while True:
        try:
            last = int(ours.recv_bytes())
        except EOFError:
            break
    ours.close()
    records = IncidentRecords(path)
    assert records.lost == 0
    assert records.broken_link() is None
    assert records.sequence in (last, last + 1)
    for number in range(1, last + 1):
        found = records.get(f"inc-{number:012d}")
        assert [one.what for one in found.activity] == ["acknowledged"]
        assert records.outbox.find("am", str(number)) is not None
    records.close()
