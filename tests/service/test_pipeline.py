"""Detectors are isolated, watches are evaluated once, and a silent store is said."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from service.pipeline import Pipeline
from vocabulary import failure_modes, metrics, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, EntityKind, Replica, ReplicaState
from vocabulary.errors import StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.samples import Frame, Sample
from vocabulary.scene import Scene, Watch

WATCH = Watch(signals.RUNNING, 60.0, 15.0)
SLOW = Watch(signals.TENANT_SPEND, 3600.0, 300.0, every=600.0)
POOL = Entity(EntityKind.POOL, "p")


class FakeStore:
    def __init__(self) -> None:
        self.asked: list[tuple[str, float, float, float]] = []
        self.silent = False

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        self.asked.append((signal.name, start, end, step))
        if self.silent:
            raise StoreUnreachable("the backend is away")
        times = np.arange(start, end + step / 2, step)
        return Frame(((("replica", "r"),),), times, np.ones((1, len(times))))

    def newest(self) -> float | None:
        return 0.0


class FakeFleet:
    def update(self, frame: Callable[[Watch], Frame], now: float) -> None:
        frame(WATCH)

    def replicas(self) -> tuple[Replica, ...]:
        entity = Entity(EntityKind.REPLICA, "r")
        return (Replica(entity, "p", "m", "vllm", ReplicaState.SERVING, 0.0, "steps run"),)

    def gpus(self) -> tuple[()]:
        return ()

    def changes(self) -> tuple[()]:
        return ()


class FakeDesk:
    def __init__(self) -> None:
        self.taken: list[Sequence[Finding]] = []

    def tick(self, findings: Sequence[Finding], scene: Scene) -> list[Incident]:
        self.taken.append(findings)
        return []

    def troubled(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        return {"pool/p": ((0.0, 1.0),)}


@dataclass(frozen=True, slots=True)
class Sees(Detector):
    """Finds the pool whenever its watches hold a value."""

    failure_mode: ClassVar = failure_modes.ERROR_BURST
    watches: ClassVar = (WATCH, SLOW)

    def detect(self, scene: Scene) -> Iterable[Finding]:
        assert scene.troubled == {"pool/p": ((0.0, 1.0),)}
        if not scene.frame(WATCH).empty and not scene.frame(SLOW).empty:
            yield Finding(
                self.failure_mode, POOL, scene.now, scene.now, Severity.WARNING, 1.0, (), "seen"
            )


@dataclass(frozen=True, slots=True)
class Breaks(Detector):
    """Fails."""

    failure_mode: ClassVar = failure_modes.ERROR_BURST
    watches: ClassVar = ()

    def detect(self, scene: Scene) -> Iterable[Finding]:
        raise ZeroDivisionError


def pipeline(**detectors: Detector) -> tuple[Pipeline, FakeStore, FakeDesk, list[Sample]]:
    store, desk = FakeStore(), FakeDesk()
    recorded: list[Sample] = []
    made = Pipeline(store, FakeFleet(), detectors, desk, lambda samples: recorded.extend(samples))
    return made, store, desk, recorded


def named(samples: Iterable[Sample], metric: metrics.Metric) -> list[Sample]:
    return [one for one in samples if one.series.name == metric.name]


def test_a_finding_bears_the_name_of_its_detector() -> None:
    made, _, desk, _ = pipeline(sees=Sees())
    made.tick(6000.0)
    assert [one.detector for one in desk.taken[0]] == ["sees"]


def test_a_broken_detector_silences_no_other_and_is_counted() -> None:
    made, _, desk, recorded = pipeline(breaks=Breaks(), sees=Sees())
    made.tick(6000.0)
    made.tick(6015.0)
    assert [one.detector for one in desk.taken[1]] == ["sees"]
    failures = named(recorded, metrics.DETECTOR_FAILURES)
    assert [(one.series.label("detector"), one.value) for one in failures] == [
        ("breaks", 1.0),
        ("breaks", 2.0),
    ]


def test_a_watch_is_evaluated_once_a_tick_and_slow_ones_more_rarely() -> None:
    made, store, _, _ = pipeline(one=Sees(), two=Sees())
    for now in (6000.0, 6015.0, 6030.0, 6600.0):
        made.tick(now)
    names = [name for name, *_ in store.asked]
    assert names.count(WATCH.signal.name) == 4
    assert names.count(SLOW.signal.name) == 2


def test_a_fast_watch_ends_now_and_a_slow_one_on_its_grid() -> None:
    made, store, _, _ = pipeline(one=Sees())
    made.tick(6017.0)
    spans = {name: (start, end) for name, start, end, _ in store.asked}
    assert spans[WATCH.signal.name] == (5957.0, 6017.0)
    assert spans[SLOW.signal.name] == (2400.0, 6000.0)


def test_a_silent_store_is_said_and_finds_nothing() -> None:
    made, store, desk, _ = pipeline(sees=Sees())
    store.silent = True
    made.tick(6000.0)
    assert list(desk.taken[0]) == []
    assert made.store_failures[0] == "the backend is away"
    store.silent = False
    made.tick(6015.0)
    assert made.store_failures == ()
    assert len(desk.taken[1]) == 1


def test_replica_states_become_series() -> None:
    made, _, _, recorded = pipeline()
    made.tick(6000.0)
    state = named(recorded, metrics.REPLICA_STATE)[0]
    assert (state.series.label("replica"), state.series.label("state")) == ("r", "serving")
