"""What is said of a rollout at equal load, on engines whose cost of a token is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, noisy, step

from fleet import identity
from incidents.before_and_after import AFTER
from incidents.change_verdicts import span_of, verdict_on
from incidents.verdict_words import SignalVerdict, Verdict, Word, decide, verdict_json
from vocabulary import signals as s
from vocabulary.entities import Change
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame
from vocabulary.scene import Watch

T0 = NOW - 3000.0
ROLLOUT = Change(T0, "rollout", identity.pool("chat"), "0.32.0 → 0.33.0", "chat")
Load = Callable[[Array], Array]


def daily(seed: int) -> Load:
    """A batch that wanders over hours, differently for each replica."""
    return lambda t: 12.0 + 6.0 * np.sin(np.asarray(t) / 2900.0 + seed) + 2.0 * np.sin(t / 230.0)


def engine(load: Load, factor: Any, seed: int, prompts: Any = 150.0) -> dict[str, Any]:
    """An engine whose step costs 15 ms, 0.8 ms a request, and a microsecond a prompt token."""

    def slow(t: Array) -> Any:
        return factor(t) if callable(factor) else factor

    def taken(t: Array) -> Array:
        each: Array = prompts(t) if callable(prompts) else np.full(len(t), prompts)
        return each * load(t)

    def itl(t: Array) -> Array:
        return (0.015 + 0.0008 * load(t) + 2e-6 * taken(t)) * slow(t)

    def first(t: Array) -> Array:
        return (0.1 + 0.01 * load(t) + 4e-5 * taken(t)) * slow(t)

    return {
        "requests_running": load,
        "requests_running_mean": load,
        "tokens_per_step": load,
        "kv_cache_utilization_mean": lambda t: load(t) / 40.0,
        "prompt_tokens_per_step": lambda t: taken(t) * itl(t),
        "input_tokens_per_second": taken,
        "inter_token_latency_mean": noisy(itl, 0.03, seed + 1),
        "time_to_first_token_mean": noisy(first, 0.06, seed + 5),
        "output_tokens_per_second": noisy(lambda t: load(t) / itl(t), 0.03, seed + 9),
    }


def pool(factors: list[Any], seed: int = 0, **more: Any) -> World:
    world = World()
    for place, factor in enumerate(factors):
        world.replica(f"r{place}", **engine(daily(seed + place), factor, 10 * seed + place, **more))
    return world


def judged(world: World, change: Change = ROLLOUT, now: float = NOW) -> Verdict:
    def ask(signal: Signal, start: float, end: float, every: float) -> Frame:
        return world.frame(Watch(signal, end - start, every), end)

    found = verdict_on(change, [change], ask, now)
    assert found is not None
    return found


def of(verdict: Verdict, signal: Signal) -> SignalVerdict:
    return next(one for one in verdict.signals if one.signal == signal.name)


@pytest.mark.parametrize("seed", range(4))
def test_a_harmless_rollout_is_no_difference_or_not_decided(seed: int) -> None:
    verdict = judged(pool([1.0] * 3, seed))
    assert verdict.word in {Word.NO_DIFFERENCE, Word.CANNOT_TELL}, verdict.text
    assert of(verdict, s.ITL_MEAN).word is Word.NO_DIFFERENCE


@pytest.mark.parametrize("seed", range(4))
def test_twelve_per_cent_slower_is_worse_and_the_interval_holds_the_truth(seed: int) -> None:
    verdict = judged(pool([step(T0, 1.0, 1.12)] * 3, seed))
    assert verdict.word is Word.WORSE
    itl = of(verdict, s.ITL_MEAN)
    assert itl.lower is not None and itl.upper is not None  # noqa: PT018
    assert itl.lower <= 0.12 <= itl.upper
    assert itl.upper - itl.lower < 0.08
    tokens = of(verdict, s.OUTPUT_TOKEN_RATE)
    assert tokens.lower is not None and tokens.upper is not None  # noqa: PT018
    assert tokens.lower <= 1.0 / 1.12 - 1.0 <= tokens.upper


def test_a_faster_version_is_better() -> None:
    verdict = judged(pool([step(T0, 1.0, 0.85)] * 3))
    assert verdict.word is Word.BETTER
    assert of(verdict, s.OUTPUT_TOKEN_RATE).word is Word.BETTER
    assert "time between tokens -1" in verdict.text


def test_too_little_traffic_cannot_be_told_yet_and_says_how_much_is_missing() -> None:
    verdict = judged(pool([step(T0, 1.0, 1.12)] * 3), now=T0 + 900.0)
    assert verdict.word is Word.CANNOT_TELL
    assert "more at this traffic" in of(verdict, s.ITL_MEAN).needs
    world = pool([1.0] * 2).gap(T0, NOW + 1.0)
    silent = judged(world)
    assert silent.word is Word.CANNOT_TELL
    assert "needs traffic" in silent.text


@pytest.mark.parametrize("seed", range(3))
def test_longer_prompts_alone_are_never_worse(seed: int) -> None:
    for grown in (170.0, 250.0, 600.0):
        verdict = judged(pool([1.0] * 3, seed, prompts=step(T0, 150.0, grown)))
        assert verdict.word is not Word.WORSE, (grown, verdict.text)


def test_prompts_seen_before_in_every_mix_still_count() -> None:
    def mixed(t: Array) -> Array:
        usual = 200.0 + 100.0 * np.sin(np.asarray(t) / 1100.0)
        return np.where(t < T0, usual, 260.0)

    verdict = judged(pool([1.0] * 3, prompts=mixed))
    assert of(verdict, s.ITL_MEAN).word is Word.NO_DIFFERENCE


def test_a_load_never_seen_before_is_not_compared() -> None:
    def flood(seed: int) -> Load:
        return lambda t: np.where(t < T0, daily(seed)(t), 60.0)

    world = World()
    for place in range(3):
        world.replica(f"r{place}", **engine(flood(place), 1.0, place))
    verdict = judged(world)
    assert verdict.word is Word.CANNOT_TELL
    assert "unlike any before" in verdict.text


def test_a_colder_cache_is_told_apart_from_a_slower_engine() -> None:
    """Prompts that no cache holds any more are work, as longer prompts are."""
    world = pool([1.0] * 3)
    for place in range(3):
        about = {"pool": "chat", "model": "chat-model", "replica": f"r{place}"}
        load, course = daily(place), engine(daily(place), 1.0, place)["time_to_first_token_mean"]

        def colder(t: Array, load: Load = load, course: Any = course) -> Any:
            return course(t) + np.where(t < T0, 0.0, 3e-5) * 150.0 * load(t)

        world.put(s.PREFIX_HIT_RATIO, step(T0, 0.6, 0.1), vantage="engine", **about)
        world.put(s.TTFT_MEAN, colder, vantage="engine", **about)
    assert of(judged(world), s.TTFT_MEAN).word is not Word.WORSE


def test_a_canary_beside_its_siblings_is_judged_by_itself_alone() -> None:
    world = pool([1.0] * 3)
    canary = engine(daily(7), 1.3, 4)
    world.replica("canary", **{name: _from(course) for name, course in canary.items()},
                  engine_start_time=_from(lambda t: np.full(len(t), T0)),
                  kv_cache_utilization=_from(lambda t: np.full(len(t), 0.4)),
                  target_up=step(T0, np.nan, 1.0))  # fmt: skip
    verdict = judged(world)
    itl = of(verdict, s.ITL_MEAN)
    assert itl.word is Word.WORSE
    assert itl.lower is not None and itl.upper is not None  # noqa: PT018
    assert itl.lower <= 0.3 <= itl.upper
    assert itl.minutes_before > 240  # siblings that still run as before speak for it


def _from(course: Any) -> Any:
    return lambda t: np.where(t >= T0, course(t), np.nan)


def test_requests_that_fail_since_are_worse() -> None:
    world = pool([1.0] * 2)
    for place in range(2):
        world.put(
            s.FAILED_RATE, step(T0, 0.002, 0.08), pool="chat", model="chat-model",
            replica=f"r{place}", vantage="engine",
        )  # fmt: skip
    verdict = judged(world)
    assert verdict.word is Word.WORSE
    assert "failed requests" in verdict.text


def test_a_gateway_is_asked_where_engines_count_no_failures() -> None:
    world = pool([1.0] * 2)
    for place in range(2):
        del world.courses[s.FAILED_RATE, next(
            labels for signal, labels in world.courses
            if signal is s.FAILED_RATE and dict(labels)["replica"] == f"r{place}"
        )]  # fmt: skip
    world.gateway(errors=step(T0, 0.0, 0.2))
    errors = next(one for one in judged(world).signals if one.signal == "error_ratio")
    assert errors.word is Word.WORSE
    assert errors.effect == pytest.approx(0.05, rel=0.2)


def test_what_is_no_question_is_not_judged() -> None:
    ask = lambda *_: pytest.fail("nothing must be asked")  # noqa: E731
    for change in (
        Change(T0, "scale", identity.replica("a/b/c/d"), "d is no longer seen", "chat"),
        Change(T0, "driver", identity.gpu("GPU-1"), "580 → 590"),
        Change(T0, "price", identity.pool("chat"), "price × 0.7", "chat"),
        Change(T0, "node", identity.node("n1"), "n1 cordoned"),
        Change(T0, "probe", identity.pool("chat"), "killed", "chat"),
    ):
        assert verdict_on(change, [change], ask, NOW) is None


def test_a_version_that_only_replicas_tell_of_is_a_rollout_of_their_pool() -> None:
    """Outside of Kubernetes nobody announces one."""
    world = pool([step(T0, 1.0, 1.12)] * 2)
    for place in range(2):
        about = {"pool": "chat", "model": "chat-model", "replica": f"r{place}"}
        begun = step(T0, NOW - 5 * 86_400.0, T0)
        world.put(s.ENGINE_START, begun, vantage="engine", **about)
    seen = Change(T0 + 30.0, "rollout", identity.replica("r0"), "version 1 → 2", "chat")
    assert judged(world, seen).word is Word.WORSE


def across(factors: dict[str, list[Any]], seed: int = 0) -> World:
    """Replicas by node, each slower by its factor."""
    world, place = World(), 0
    for node, slower in factors.items():
        for factor in slower:
            course = engine(daily(seed + place), factor, 10 * seed + place)
            world.replica(f"r{place}", node=node, **course)
            place += 1
    return world


DRIVER = Change(T0, "driver", identity.node("n1"), "GPU driver 580.95 → 590.44")


def test_a_driver_that_slows_its_node_is_worse_beside_the_siblings_elsewhere() -> None:
    verdict = judged(across({"n1": [step(T0, 1.0, 1.15)] * 2, "n2": [1.0] * 2}), DRIVER)
    assert verdict.word is Word.WORSE
    itl = of(verdict, s.ITL_MEAN)
    assert itl.lower is not None and itl.upper is not None  # noqa: PT018
    assert itl.lower <= 0.15 <= itl.upper
    assert itl.pool == "chat"
    assert verdict.text.startswith("chat: worse, time between tokens +")


@pytest.mark.parametrize("seed", range(3))
def test_what_befell_the_siblings_too_was_not_the_nodes_doing(seed: int) -> None:
    slower = step(T0, 1.0, 1.15)
    verdict = judged(across({"n1": [slower] * 2, "n2": [slower] * 2}, seed), DRIVER)
    assert of(verdict, s.ITL_MEAN).word is not Word.WORSE


def test_without_siblings_a_node_is_compared_with_itself() -> None:
    assert judged(across({"n1": [step(T0, 1.0, 1.15)] * 2}), DRIVER).word is Word.WORSE


def test_each_pool_on_the_node_is_told_of_and_the_worst_word_stands() -> None:
    world = across({"n1": [1.0] * 2, "n2": [1.0] * 2})
    for place, node in enumerate(("n1", "n1", "n2")):
        factor = step(T0, 1.0, 1.2) if node == "n1" else 1.0
        course = engine(daily(40 + place), factor, 40 + place)
        world.replica(f"c{place}", "code", node=node, **course)
    verdict = judged(world, replace(DRIVER, kind="node", what="kernel of n1 6.8 → 6.12"))
    assert verdict.word is Word.WORSE
    assert "chat: no difference, " in verdict.text
    assert "code: worse, " in verdict.text
    assert {one["pool"] for one in verdict_json(verdict)["signals"]} == {"chat", "code"}


def test_a_node_without_replicas_has_no_verdict() -> None:
    world = across({"n2": [1.0]})

    def ask(signal: Signal, start: float, end: float, every: float) -> Frame:
        return world.frame(Watch(signal, end - start, every), end)

    assert verdict_on(DRIVER, [DRIVER], ask, NOW) is None


def test_a_pool_that_nobody_measured_is_said_to_be_so() -> None:
    assert judged(World()).text == "nothing was measured of this pool"


def test_acts_near_each_other_are_one_and_the_next_one_ends_it() -> None:
    at = 100_000.0
    one = span_of(at, [at - 300.0, at, at + 5000.0, at - 9000.0], at + 20_000.0)
    assert (one.first, one.last) == (at - 300.0, at)
    assert one.start == at - 9000.0 + 600.0
    assert one.end == at + 5000.0
    assert one.closed
    open_ = span_of(at, [at], at + 60.0)
    assert not open_.closed
    assert span_of(at, [at], at + AFTER + 1.0).closed


@pytest.mark.parametrize(
    ("effect", "lower", "upper", "word"),
    [
        (None, -1.0, 1.0, Word.CANNOT_TELL),
        (0.10, 0.05, 0.15, Word.WORSE),
        (0.10, 0.01, 0.19, Word.CANNOT_TELL),
        (-0.10, -0.15, -0.05, Word.BETTER),
        (0.01, -0.02, 0.04, Word.NO_DIFFERENCE),
        (0.03, 0.01, 0.06, Word.CANNOT_TELL),
    ],
)
def test_words(effect: float | None, lower: float, upper: float, word: Word) -> None:
    assert decide(effect, lower, upper, 0.05, 0.02) is word


def test_json_is_complete() -> None:
    told = verdict_json(judged(pool([step(T0, 1.0, 1.12)] * 2)))
    assert told["word"] == "worse"
    assert {one["signal"] for one in told["signals"]} >= {"inter_token_latency_mean", "error_ratio"}
    assert all(one["text"] for one in told["signals"])


@pytest.mark.parametrize("factor", [1.3, 1.67, 2.5])
def test_an_engine_that_is_much_slower_brings_larger_batches_and_is_worse(factor: float) -> None:
    """At equal arrivals residence grows with the step: the load after was never seen before."""

    def fuller(seed: int) -> Load:
        return lambda t: daily(seed)(t) * np.where(t < T0, 1.0, factor)

    world = World()
    for place in range(3):
        world.replica(f"r{place}", **engine(fuller(place), step(T0, 1.0, factor), place))
    verdict = judged(world)
    assert verdict.word is Word.WORSE
    for one in verdict.signals[:2]:
        assert one.lower is not None and one.upper is not None  # noqa: PT018
        assert one.lower <= factor - 1.0 <= one.upper
