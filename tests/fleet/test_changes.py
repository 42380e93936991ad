"""The change feed: each change once, however often and by however many it is told."""

import json
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import identity
from fleet.changes import ChangeFeed
from vocabulary.change_events import LONGEST_WHAT
from vocabulary.entities import Change

POD = identity.replica("c/llm/u/vllm", "chat-1")
BARE = Change(1060.0, "restart", POD, "chat-1 restarted", "llm/chat")
TOLD = Change(1000.0, "restart", POD, "chat-1 restarted: vllm ran out of memory", "", "u/restart 1")


def feed(*changes: Change) -> list[Change]:
    one = ChangeFeed()
    for change in changes:
        one.add(change)
    return list(one)


def test_one_id_is_one_change_whenever_it_comes() -> None:
    late = replace(TOLD, at=50_000.0)
    assert feed(TOLD, late, TOLD) == [TOLD]


def test_two_ids_are_two_changes_even_in_equal_words() -> None:
    assert len(feed(TOLD, replace(TOLD, at=1010.0, id="u/restart 2"))) == 2


def test_equal_words_without_an_id_are_one_change_for_two_minutes() -> None:
    scaled = Change(10.0, "scale", identity.pool("p"), "replicas asked for 1 → 2", "p")
    assert len(feed(scaled, replace(scaled, at=100.0, id="x"), replace(scaled, at=131.0))) == 2


def test_a_driver_seen_by_nvml_and_much_later_by_a_label_is_one_change() -> None:
    driver = Change(10.0, "driver", identity.node("n1"), "GPU driver 1 → 2")
    assert feed(driver, replace(driver, at=2000.0)) == [driver]


@pytest.mark.parametrize("order", [(BARE, TOLD), (TOLD, BARE), (BARE, TOLD, BARE, TOLD)])
def test_a_restart_does_not_stand_twice_in_whatever_order_it_is_told(
    order: tuple[Change, ...],
) -> None:
    (one,) = feed(*order)
    assert (one.at, one.what, one.pool) == (1000.0, TOLD.what, "llm/chat")


def test_restarts_of_others_and_at_other_times_stay_their_own() -> None:
    other = replace(TOLD, entity=identity.replica("c/llm/v/vllm", "chat-1"))
    assert len(feed(BARE, other)) == 2
    assert len(feed(TOLD, replace(BARE, at=TOLD.at + 400.0))) == 2
    assert len(feed(TOLD, replace(BARE, at=TOLD.at - 60.0))) == 2


def test_hostile_words_are_bounded_and_drive_no_terminal() -> None:
    (one,) = feed(replace(TOLD, what="a\x1b[31m\n\u202eb" + "x" * 999, pool="p\x00"))
    assert one.what.isprintable()
    assert len(one.what) == LONGEST_WHAT
    assert one.pool == "p "


def test_a_crash_loop_never_fills_memory() -> None:
    one = ChangeFeed(most=10)
    for number in range(50):
        one.add(replace(TOLD, at=float(number), id=str(number)))
    assert [change.id for change in one] == [str(number) for number in range(40, 50)]


def test_snapshots_survive_json_and_those_from_before_ids_are_read() -> None:
    one = ChangeFeed()
    one.add(TOLD)
    body = json.loads(json.dumps(one.snapshot()))
    again = ChangeFeed()
    again.restore(body)
    assert list(again) == [TOLD]
    assert not again.add(TOLD)
    assert next(iter(again)).id == TOLD.id
    del body[0]["id"]
    old = ChangeFeed()
    old.restore(body)
    assert list(old) == [TOLD]


def test_many_threads_lose_nothing() -> None:
    one = ChangeFeed()

    def tell(who: int) -> None:
        for number in range(100):
            one.add(replace(TOLD, at=1e6 + number, id=f"{who}/{number}"))
            one.forget_before(1e6)

    threads = [threading.Thread(target=tell, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(one)) == 400


@given(st.lists(st.sampled_from([BARE, TOLD, replace(TOLD, at=1500.0, id="u/restart 2")])))
def test_telling_again_never_adds(told: list[Change]) -> None:
    assert feed(*told, *told) == feed(*told)
