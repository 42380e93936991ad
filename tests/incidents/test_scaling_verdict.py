"""What is said of scaling: whether it helped, what a token costs since, when nobody can tell."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, Course, World, noisy, step

from fleet import identity
from incidents.change_verdicts import verdict_on
from incidents.verdict_words import COST_OF_TOKENS, TIME_OF_TOKENS, Verdict, Word
from vocabulary import signals as s
from vocabulary.entities import Change
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame
from vocabulary.scene import Watch

T0 = NOW - 4500.0
ARRIVES = T0 + 300.0
OUT = Change(T0, "scale", identity.pool("chat"), "replicas asked for 2 → 3", "chat")
IN = Change(T0, "scale", identity.pool("chat"), "replicas asked for 3 → 2", "chat")
ABOUT = {"pool": "chat", "model": "chat-model"}


def pool(
    waiting: Course | float, late: Course | float, *, wanted: Course, third: Course,
    priced: bool = True, calls: Course | float = 6.0, tokens: Course | float = 400.0,
) -> World:  # fmt: skip
    """Two replicas, and a third where *third* is 1; 4 USD an hour each."""
    world = World()
    for name in ("r1", "r2"):
        world.replica(name, requests_waiting=waiting, output_tokens_per_second=tokens)
    there = lambda course: lambda t: np.where(third(t) == 1.0, course(t), np.nan)  # noqa: E731
    world.replica(
        "r3",
        requests_waiting=there(lambda t: np.zeros(len(t))),
        requests_running=there(noisy(10.0, 0.2, 3)),
        output_tokens_per_second=there(noisy(400.0, 0.05, 4)),
        input_tokens_per_second=there(noisy(2000.0, 0.1, 5)),
    )
    world.put(s.FIRST_TOKENS_LATE, late, **ABOUT)
    world.put(s.FIRST_TOKEN_RATE, 6.0, **ABOUT)
    world.put(s.POOL_FINISHED_RATE, calls, **ABOUT)
    world.put(s.POOL_DESIRED, wanted, pool="chat")
    if priced:
        world.put(s.CAPACITY_SPEND, lambda t: 8.0 + 4.0 * np.nan_to_num(third(t)), pool="chat")
    return world


def judged(world: World, change: Change, now: float = NOW, *others: Change) -> Verdict:
    def ask(signal: Signal, start: float, end: float, every: float) -> Frame:
        return world.frame(Watch(signal, end - start, every), end)

    found = verdict_on(change, [change, *others], ask, now)
    assert found is not None
    return found


def queue(before: float, after: float) -> Course:
    """A queue that rises and falls a little, until the third replica takes its part."""

    def course(t: Array) -> Any:
        level = np.where(np.asarray(t) < ARRIVES + 120.0, before, after)
        return level * (1.0 + 0.2 * np.sin(np.asarray(t) / 170.0))

    return course


SCALED_OUT = {"wanted": step(T0, 2.0, 3.0), "third": step(ARRIVES, np.nan, 1.0)}
SCALED_IN = {"wanted": step(T0, 3.0, 2.0), "third": step(T0 + 60.0, 1.0, np.nan)}


def test_a_queue_that_is_gone_since_is_better_and_its_price_is_told() -> None:
    verdict = judged(pool(queue(8.0, 0.1), step(ARRIVES, 0.12, 0.001), **SCALED_OUT), OUT)
    assert verdict.word is Word.BETTER
    assert verdict.text.startswith("2 → 3 replicas; requests that wait -")
    assert "late first tokens -" in verdict.text
    cost = next(one for one in verdict.signals if one.signal == COST_OF_TOKENS)
    assert cost.word is Word.NO_DIFFERENCE, "half more is paid for half more tokens"


def test_scaling_that_nobody_needed_is_worse_by_its_cost() -> None:
    world = pool(0.0, 0.001, **SCALED_OUT)
    for signal in (s.OUTPUT_TOKEN_RATE, s.INPUT_TOKEN_RATE):  # the same work, shared by three
        for name in ("r1", "r2"):
            level = 400.0 if signal is s.OUTPUT_TOKEN_RATE else 2000.0
            world.put(signal, noisy(step(ARRIVES, level, level * 0.55), 0.05, len(name)),
                      replica=name, vantage="engine", **ABOUT)  # fmt: skip
    verdict = judged(world, OUT)
    assert verdict.word is Word.WORSE
    assert "cost of a token +" in verdict.text
    assert "wait" not in verdict.text


def test_a_queue_that_scaling_in_brought_is_worse() -> None:
    world = pool(step(T0 + 120.0, 0.0, 9.0), step(T0 + 120.0, 0.001, 0.2), **SCALED_IN)
    verdict = judged(world, IN)
    assert verdict.word is Word.WORSE
    assert verdict.text.startswith("3 → 2 replicas; requests that wait +")


def test_where_nothing_is_priced_replicas_for_a_token_are_counted() -> None:
    verdict = judged(pool(0.0, 0.001, **SCALED_IN, priced=False), IN)
    assert [one.signal for one in verdict.signals][-1] == TIME_OF_TOKENS
    assert verdict.word is Word.NO_DIFFERENCE, "a third fewer replicas for a third fewer tokens"


def test_a_replica_that_never_came_decides_nothing_and_says_so() -> None:
    world = pool(queue(8.0, 8.0), 0.1, wanted=step(T0, 2.0, 3.0), third=lambda t: np.full(len(t), np.nan))  # fmt: skip # noqa: E501
    verdict = judged(world, OUT)
    assert verdict.word is Word.CANNOT_TELL
    assert "more were asked for, and none is there yet" in verdict.text
    late = judged(world, OUT, NOW + 7200.0)
    assert "none came while it was looked at" in late.text


def test_a_queue_that_went_with_its_callers_is_not_put_down_to_scaling() -> None:
    fewer = step(ARRIVES, 6.0, 2.0)
    verdict = judged(pool(queue(8.0, 0.1), 0.001, **SCALED_OUT, calls=fewer), OUT)
    assert verdict.word is Word.CANNOT_TELL
    assert "calls fell to 33% of what they were: needs traffic as before" in verdict.text


@pytest.mark.parametrize(("after", "said"), [(600.0, "once its replicas are warm"), (1380.0, "")])
def test_too_early_is_said_with_what_is_missing(after: float, said: str) -> None:
    verdict = judged(pool(queue(8.0, 0.1), 0.001, **SCALED_OUT), OUT, T0 + after)
    assert verdict.word is Word.CANNOT_TELL
    assert "more with traffic" in verdict.text
    assert said in verdict.text


def test_a_rollout_ends_what_is_learnt_of_scaling() -> None:
    rollout = Change(T0 + 1800.0, "rollout", identity.pool("chat"), "v1 → v2", "chat")
    verdict = judged(pool(0.0, 0.001, **SCALED_OUT), OUT, NOW, rollout)
    assert (verdict.span.end, verdict.span.closed) == (T0 + 1800.0, True)


def test_a_pool_that_nobody_measured_is_said_to_be_so() -> None:
    verdict = judged(World(), OUT)
    assert verdict.word is Word.CANNOT_TELL
    assert "nothing was measured of this pool" in verdict.text
