"""The server loop: series become a scene, a scene becomes findings, findings become incidents.

The same code runs live, in the demo and in a replay; the clock and the store are arguments.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import structlog

from store.asking import Asking
from vocabulary import metrics
from vocabulary.contracts import Detector
from vocabulary.entities import Change, Gpu, Replica
from vocabulary.errors import StoreError
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.samples import Frame, Sample, Series, empty_frame, labels_of
from vocabulary.scene import Scene, Watch

log = structlog.get_logger(__name__)


class Fleet(Protocol):
    """What the pipeline asks of the fleet."""

    def update(self, frame: Callable[[Watch], Frame], now: float) -> None:
        """Look at the signals of this moment."""
        ...

    def replicas(self) -> tuple[Replica, ...]:
        """Every replica known now."""
        ...

    def gpus(self) -> tuple[Gpu, ...]:
        """Every GPU known now."""
        ...

    def changes(self) -> tuple[Change, ...]:
        """Changes of the last day, oldest first."""
        ...


class Desk(Protocol):
    """What the pipeline asks of the incident desk."""

    def tick(self, findings: Sequence[Finding], scene: Scene) -> list[Incident]:
        """Take the findings of one tick; give the incidents that changed."""
        ...

    def troubled(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        """Spans inside incidents by entity."""
        ...


@dataclass(slots=True)
class Frames:
    """Evaluates watches, remembering slow ones for as long as they allow."""

    store: Asking
    _kept: dict[Watch, tuple[float, Frame]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def at(self, now: float) -> Callable[[Watch], Frame]:
        """A function from watch to frame for the tick at *now*."""
        this_tick: dict[Watch, Frame] = {}

        def frame(watch: Watch) -> Frame:
            if watch not in this_tick:
                this_tick[watch] = self._frame(watch, now)
            return this_tick[watch]

        return frame

    def _frame(self, watch: Watch, now: float) -> Frame:
        kept = self._kept.get(watch)
        if kept is not None and 0.0 <= now - kept[0] < watch.every:
            return kept[1]
        end = (
            np.floor((now - watch.until) / watch.step) * watch.step
            if watch.every
            else now - watch.until
        )
        columns = max(1, round(watch.lookback / watch.step))
        start = float(end) - columns * watch.step
        try:
            found = self.store.evaluate(watch.signal, start, float(end), watch.step)
        except StoreError as error:
            self.failures.append(str(error))
            return empty_frame(np.arange(columns + 1, dtype=np.float64) * watch.step + start)
        if watch.every:
            self._kept[watch] = (now, found)
        return found


@dataclass(slots=True)
class Pipeline:
    """Runs detectors tick by tick and isolates each from the others."""

    store: Asking
    fleet: Fleet
    detectors: Mapping[str, Detector]
    desk: Desk
    record: Callable[[Iterable[Sample]], object]
    """Where the pipeline's own series go (replica states, durations)."""
    interval: float = 15.0
    derive: Callable[[Scene], Iterable[Sample]] = lambda _: ()
    """Further series that follow from a scene, such as a ceiling to compare with."""
    scene: Scene = field(init=False)
    last_findings: tuple[Finding, ...] = ()
    ticks: int = 0
    ticked_at: float = 0.0
    _frames: Frames = field(init=False)
    _failures: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._frames = Frames(self.store)
        self.scene = Scene(now=0.0, frame=_nothing)

    def tick(self, now: float) -> list[Incident]:
        """Judge the moment *now* (the watermark); give the incidents that changed."""
        self._frames.failures.clear()
        frame = self._frames.at(now)
        self.fleet.update(frame, now)
        self.scene = Scene(
            now=now,
            frame=frame,
            replicas=self.fleet.replicas(),
            gpus=self.fleet.gpus(),
            changes=self.fleet.changes(),
            troubled=self.desk.troubled(),
            interval=self.interval,
        )
        findings: list[Finding] = []
        durations: list[Sample] = []
        for name, detector in self.detectors.items():
            began = time.perf_counter()
            findings.extend(self._detect(name, detector))
            durations.append(
                _gauge(
                    metrics.DETECTOR_DURATION.name, now, time.perf_counter() - began, detector=name
                )
            )
        self.last_findings = tuple(findings)
        changed = self.desk.tick(self.last_findings, self.scene)
        derived = self.derive(self.scene)
        self.record([*durations, *self._states(now), *derived, *self._failure_counts(now)])
        self.ticks += 1
        self.ticked_at = now
        return changed

    @property
    def store_failures(self) -> tuple[str, ...]:
        """What the store could not answer at the last tick; empty when all is well."""
        return tuple(self._frames.failures)

    def _detect(self, name: str, detector: Detector) -> list[Finding]:
        try:
            return [replace(finding, detector=name) for finding in detector.detect(self.scene)]
        except Exception:  # one broken detector must not silence the others
            self._failures[name] = self._failures.get(name, 0) + 1
            log.exception("detector failed", detector=name)
            return []

    def _states(self, now: float) -> Iterable[Sample]:
        for replica in self.scene.replicas:
            yield _gauge(
                metrics.REPLICA_STATE.name,
                now,
                1.0,
                replica=replica.entity.id,
                pool=replica.pool,
                model=replica.model,
                state=replica.state.value,
            )

    def _failure_counts(self, now: float) -> Iterable[Sample]:
        for name, count in self._failures.items():
            yield _gauge(metrics.DETECTOR_FAILURES.name, now, float(count), detector=name)


def _nothing(watch: Watch) -> Frame:
    return empty_frame(np.zeros(1 + round(watch.lookback / watch.step)))


def _gauge(name: str, at: float, value: float, **labels: str) -> Sample:
    return Sample(Series(name, labels_of(labels)), value, at)
