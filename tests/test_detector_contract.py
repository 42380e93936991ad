"""What every detector owes, whoever wrote it: discovered by folder, judged by the same scenes."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scene_builder import NOW, World, step

import detectors
from fleet.topology import FleetView
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.discovery import discover
from vocabulary.findings import Finding
from vocabulary.samples import Frame, empty_frame
from vocabulary.scene import Scene, Watch

FOUND = discover(detectors, Detector)
EVERY = pytest.mark.parametrize("name", sorted(FOUND))
ONSET = NOW - 900.0
REPLICAS = 40


def calm() -> World:
    """Everything there is, and nothing wrong with it."""
    world = World().gateway(attempt_errors=0.0, errors=0.0)
    for name in "abc":
        world.replica(name).gpu(f"GPU-{name}", name)
    return world.tenant("acme").tenant("emca")


def broken() -> World:
    """Everything wrong at once."""
    world = World()
    for index in range(REPLICAS):
        name, kind = f"r{index}", index % 4
        if kind == 0:
            world.replica(name, target_up=step(ONSET, 1.0, 0.0))
        elif kind == 1:
            world.replica(name, engine_steps_per_second=step(ONSET, 40.0, 0.0))
        elif kind == 2:
            world.replica(name, kv_cache_utilization=1.0, preemptions_per_second=1.0,
                          requests_failed_per_second=step(ONSET, 0.0, 1.0))  # fmt: skip
        else:
            world.replica(name, inter_token_latency_mean=step(ONSET, 0.02, 0.2))
        hot = {"throttled": {"hw_thermal_slowdown": 1.0}, "clock": 0.5e9} if index == 3 else {}
        world.gpu(f"GPU-{index}", name, **hot)
    world.target(step(ONSET, 1.0, 0.0), bad="hung", replica="h", pool="chat", vantage="engine",
                 model="chat-model", target="http://h")  # fmt: skip
    failing = step(ONSET, 0.0, 30.0)
    world.gateway(attempts=step(ONSET, 4.0, 36.0), operations=4.0, attempt_errors=failing,
                  errors=step(ONSET, 0.0, 3.0))  # fmt: skip
    return world.tenant("acme", spend=step(NOW - 600.0, 10.0, 900.0)).tenant("calm")


def scene(world: World) -> Scene:
    view = FleetView()
    World(NOW - 20_000.0, world.courses).scene(view)
    return world.scene(view)


def findings(name: str, shown: Scene) -> list[Finding]:
    return list(FOUND[name]().detect(shown))


@EVERY
def test_is_silent_on_an_empty_scene(name: str) -> None:
    def nothing(watch: Watch) -> Frame:
        columns = round(watch.lookback / watch.step)
        return empty_frame(NOW - watch.step * np.arange(columns, -1.0, -1.0))

    assert findings(name, Scene(NOW, nothing)) == []


@EVERY
def test_is_silent_while_all_is_well(name: str) -> None:
    assert findings(name, scene(calm())) == []


@EVERY
def test_is_silent_on_flat_data(name: str) -> None:
    world = calm()
    flat = {key: float(course(np.array([NOW]))[0]) for key, course in world.courses.items()}
    for (signal, labels), level in flat.items():
        world.put(signal, level, **dict(labels))
    assert findings(name, scene(world)) == []


@EVERY
@pytest.mark.parametrize("missed", [1, 4, 10])
def test_is_silent_during_a_scrape_gap(name: str, missed: int) -> None:
    assert findings(name, scene(calm().gap(NOW - missed * 15.0, NOW + 1.0))) == []
    assert findings(name, scene(calm().gap(NOW - missed * 15.0 - 60.0, NOW - 60.0))) == []


@EVERY
def test_is_silent_where_every_other_sample_is_missing(name: str) -> None:
    world = calm()
    for (signal, labels), course in list(world.courses.items()):
        holes: Callable = lambda t, c=course: np.where((t // 15.0) % 2 == 0, c(t), np.nan)  # noqa: E731
        world.put(signal, holes, **dict(labels))
    assert findings(name, scene(world)) == []


@EVERY
def test_is_silent_when_steps_are_irregular(name: str) -> None:
    shown = scene(calm())
    rng = np.random.default_rng(3)
    lost = {}

    def irregular(watch: Watch) -> Frame:
        frame = shown.frame(watch)
        kept = lost.setdefault(watch, rng.random(len(frame.times)) < 0.6)
        return Frame(frame.labels, frame.times, np.where(kept, frame.values, np.nan))

    assert findings(name, replace(shown, frame=irregular)) == []


@EVERY
def test_is_silent_when_an_engine_restarted_and_its_counters_began_anew(name: str) -> None:
    """B10: a rate has no value until two samples are there; start time moves."""
    world = calm()
    born = NOW - 200.0
    for (signal, labels), course in list(world.courses.items()):
        if dict(labels).get("replica") == "a" and "second" in signal.name:
            reborn: Callable = lambda t, c=course: np.where(  # noqa: E731
                (t > born) & (t < born + 30.0), np.nan, c(t)
            )
            world.put(signal, reborn, **dict(labels))
        if dict(labels).get("replica") == "a" and signal.name == "engine_start_time":
            world.put(signal, step(born, NOW - 9e4, born), **dict(labels))
    assert findings(name, scene(world)) == []


@EVERY
def test_says_the_same_twice(name: str) -> None:
    shown = scene(broken())
    assert findings(name, shown) == findings(name, shown)


@EVERY
def test_findings_carry_evidence_and_stay_bounded(name: str) -> None:
    found = findings(name, scene(broken()))
    assert len(found) <= REPLICAS
    assert len({finding.key for finding in found}) == len(found)
    for finding in found:
        assert finding.failure_mode is FOUND[name].failure_mode
        assert finding.evidence
        assert finding.since <= finding.at == NOW
        assert finding.since > NOW - 86_400.0
        assert 0.0 <= finding.confidence <= 1.0
        assert 10 < len(finding.text) < 300
        for one in finding.evidence:
            assert one.text
            assert one.start <= one.end <= NOW
            assert one.observed is None or np.isfinite(one.observed)


@EVERY
def test_asks_only_for_what_it_declares(name: str) -> None:
    shown = scene(broken())
    asked: set[Watch] = set()

    def frame(watch: Watch) -> Frame:
        asked.add(watch)
        return shown.frame(watch)

    findings(name, replace(shown, frame=frame))
    assert asked <= set(FOUND[name].watches)


@EVERY
def test_bears_the_word_of_its_failure_mode(name: str) -> None:
    assert FOUND[name].failure_mode.word == name
    assert FOUND[name].failure_mode in failure_modes.ALL
    assert FOUND[name].watches


@EVERY
def test_says_in_one_line_what_it_finds_and_has_a_test(name: str) -> None:
    first = (inspect.getdoc(FOUND[name]) or "").splitlines()[0]
    assert 0 < len(first) <= 80
    assert (Path(__file__).parent / "detectors" / f"test_{name}.py").exists()


def test_what_is_broken_is_found() -> None:
    shown = scene(broken())
    speaking = {name for name in FOUND if findings(name, shown)}
    assert len(speaking) >= 8
