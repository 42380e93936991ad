"""Log records: our agent's changes are kept, everything else goes."""

from typing import Any

from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from otlp_bodies.recorded import CANARY, RECORDED_AT, Kept, bodies, pairs

from service.otlp.streams import LOGS
from vocabulary.change_events import EVENT_NAME, change_attributes, change_of
from vocabulary.entities import Change, Entity, EntityKind

REPLICA = Entity(EntityKind.REPLICA, "c/ns/u/x", "x-0")
RESTART = Change(RECORDED_AT - 5, "restart", REPLICA, "engine restarted, exit code 137", "ns/p")


def body(**more: Any) -> bytes:
    record = {
        "timeUnixNano": str(int(RESTART.at * 1e9)),
        "eventName": EVENT_NAME,
        "body": {"stringValue": CANARY},
        "attributes": pairs({**change_attributes(RESTART), "log.message": CANARY}),
        **more,
    }
    tree = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    return ParseDict(tree, LOGS.request()).SerializeToString()


def test_a_change_of_our_agent_is_kept_as_it_was() -> None:
    kept = Kept()
    answer = kept.receiver().take(LOGS, body(), believed=True)
    assert answer.partial_success.rejected_log_records == 0
    assert kept.changes == [RESTART]
    assert kept.changes[0].entity.name == "x-0"
    assert CANARY not in kept.everything


def test_a_strangers_change_is_not_believed() -> None:
    kept = Kept()
    answer = kept.receiver().take(LOGS, body(), believed=False)
    assert answer.partial_success.rejected_log_records == 1
    assert kept.changes == []


def test_a_broken_change_is_refused_and_others_logs_are_let_go() -> None:
    kept = Kept()
    receiver = kept.receiver()
    broken = receiver.take(LOGS, body(attributes=pairs({"tidegauge.change.kind": "x"})), True)
    assert broken.partial_success.rejected_log_records == 1
    assert "tidegauge.change.what" in broken.partial_success.error_message
    other = receiver.take(LOGS, body(eventName="gen_ai.user.message"), True)
    assert other.partial_success.rejected_log_records == 0
    future = receiver.take(LOGS, body(timeUnixNano=str(int((RECORDED_AT + 7200) * 1e9))), True)
    assert future.partial_success.rejected_log_records == 1
    assert kept.changes == []


def test_recorded_logs_hold_prompts_and_leave_nothing() -> None:
    kept = Kept()
    for path in bodies("*-logs.pb"):
        assert b"gpu node slow" in path.read_bytes()
        kept.receiver().take(LOGS, path.read_bytes(), True)
    assert kept.everything == repr(([], [], []))


TEXT = st.text(min_size=1, max_size=30)


@given(st.sampled_from(EntityKind), TEXT, TEXT, TEXT, st.text(max_size=20))
def test_a_change_survives_the_way_there_and_back(
    kind: Any, name: Any, what: Any, verb: Any, pool: Any
) -> None:
    change = Change(12.0, verb, Entity(kind, name, "shown"), what, pool)
    assert change_of(change_attributes(change), 12.0) == change
