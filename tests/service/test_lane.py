"""Slow calls keep nobody waiting, nor are they begun twice."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from service.lane import Lane


@pytest.fixture
def hang() -> Iterator[Callable[[], str]]:
    let_go = threading.Event()

    def call() -> str:
        let_go.wait(20)
        return "late"

    yield call
    let_go.set()


def test_however_many_hang_the_others_are_answered(hang: Callable[[], str]) -> None:
    lane: Lane[str] = Lane(width=4, patience_seconds=0.01)
    calls = {f"hung {n}": hang for n in range(100)} | {f"good {n}": lambda: "ok" for n in range(50)}
    answers = lane.run(calls, 5.0)
    assert answers == {f"good {n}": "ok" for n in range(50)}
    lane.close()


def test_a_call_still_running_is_not_begun_again_and_its_answer_is_lost() -> None:
    lane: Lane[int] = Lane()
    begun: list[int] = []
    let_go, ended = threading.Event(), threading.Event()

    def call() -> int:
        begun.append(len(begun))
        if len(begun) == 1:
            let_go.wait(20)
            ended.set()
        return len(begun)

    assert lane.run({"one": call}, 0.05) == {}
    assert lane.run({"one": call}, 0.05) == {}
    assert begun == [0]
    let_go.set()
    ended.wait(5)
    while (answers := lane.run({"one": call}, 5.0)) == {}:
        time.sleep(0.01)
    assert answers == {"one": 2}
    lane.close()


def test_no_more_threads_than_allowed_are_begun(hang: Callable[[], str]) -> None:
    lane: Lane[str] = Lane(width=8, patience_seconds=0.001, most=10)
    begun: list[int] = []
    assert lane.run({str(n): lambda: begun.append(0) or hang() for n in range(50)}, 0.3) == {}
    assert len(begun) == 10
    lane.close()


def test_only_a_few_are_under_way_at_a_time() -> None:
    lane: Lane[None] = Lane(width=3, patience_seconds=5.0)
    lock, now, most = threading.Lock(), 0, 0

    def call() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1

    assert len(lane.run({str(n): call for n in range(30)}, 20.0)) == 30
    assert most <= 3
    lane.close()


def test_calls_begin_in_the_order_given() -> None:
    lane: Lane[None] = Lane(width=1, patience_seconds=5.0)
    begun: list[str] = []
    names = [str(n) for n in range(20)]
    lane.run({name: (lambda n=name: begun.append(n)) for name in names}, 20.0)
    assert begun == names
    lane.close()
