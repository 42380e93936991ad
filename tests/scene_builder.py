"""A small world for detectors and the fleet: signals as functions of time, seen tick by tick."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fleet.topology import FleetView
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame, Labels, empty_frame, labels_of
from vocabulary.scene import Scene, Watch

NOW = 1_750_000_000.0 - 1_750_000_000.0 % 900.0
"""A Sunday afternoon in 2025, on a quarter of an hour."""
Course = Callable[[Array], Any]


def step(at: float, before: float, after: float) -> Course:
    """A level that changes at one moment."""
    return lambda t: np.where(t < at, before, after)


def during(start: float, end: float, inside: float, outside: float) -> Course:
    """A level that holds for a while."""
    return lambda t: np.where((t >= start) & (t < end), inside, outside)


def noisy(course: float | Course, share: float = 0.03, seed: int = 7) -> Course:
    """The same course with multiplicative noise that is a function of time alone."""

    def value(t: Array) -> Array:
        level = course(t) if callable(course) else np.full(len(t), float(course))
        phase = (np.asarray(t) * (seed + 0.137)) % 1.0
        return level * (1.0 + share * np.sqrt(3.0) * (2.0 * _mixed(phase, seed) - 1.0))

    return value


def _mixed(phase: Array, seed: int) -> Array:
    return np.modf(np.abs(np.sin(phase * 12.9898 + seed) * 43758.5453))[0]


@dataclass
class World:
    """Signals by label set, and the fleet as FleetView sees them."""

    now: float = NOW
    courses: dict[tuple[Signal, Labels], Course] = field(default_factory=dict)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    troubled: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def put(self, signal: Signal, course: float | Course, **labels: str) -> "World":
        """Give *signal* a course (a level or a function of time) for one label set."""
        shape = course if callable(course) else (lambda t, level=course: np.full(len(t), level))
        self.courses[signal, labels_of(labels)] = shape
        return self

    def gap(self, start: float, end: float) -> "World":
        """Nothing was collected in this span."""
        self.gaps.append((start, end))
        return self

    def replica(self, name: str, pool: str = "chat", **courses: Any) -> "World":
        """A healthy, busy replica; keyword arguments replace courses by signal name."""
        model = courses.pop("model", f"{pool}-model")
        node = courses.pop("node", "node-1")
        version = courses.pop("version", "v1")
        healthy: dict[Signal, Any] = {
            signals.RUNNING: noisy(10.0, 0.2, 1),
            signals.WAITING: 0.0,
            signals.KV_USAGE: noisy(0.4, 0.1, 2),
            signals.STEP_RATE: noisy(40.0, 0.05, 3),
            signals.STEP_TOKEN_RATE: noisy(400.0, 0.05, 4),
            signals.OUTPUT_TOKEN_RATE: noisy(400.0, 0.05, 4),
            signals.INPUT_TOKEN_RATE: noisy(2000.0, 0.1, 5),
            signals.FINISHED_RATE: noisy(2.0, 0.1, 6),
            signals.FAILED_RATE: 0.0,
            signals.PREEMPTION_RATE: 0.0,
            signals.RUNNING_MEAN: noisy(10.0, 0.1, 1),
            signals.KV_USAGE_MEAN: noisy(0.4, 0.05, 2),
            signals.BATCH_PER_STEP: noisy(10.0, 0.05, 1),
            signals.PROMPT_PER_STEP: noisy(50.0, 0.1, 5),
            signals.ITL_MEAN: noisy(0.025, 0.03, len(name)),
            signals.TTFT_MEAN: noisy(0.3, 0.1, 8),
            signals.ENGINE_START: self.now - 5 * 86_400.0,
        }
        for signal, usual in healthy.items():
            course = courses.pop(signal.name, usual)
            if course is not None:
                self.put(signal, course, pool=pool, model=model, replica=name, vantage="engine")
        up = courses.pop("target_up", 1.0)
        assert not courses, f"no such course: {courses}"
        about = {"replica": name, "pool": pool, "model": model, "version": version}
        about["node"] = node
        self.target(up, target=f"http://{name}", vantage="engine", engine="vllm", **about)
        return self

    def target(self, up: Any, verdict: str = "ok", bad: str = "down", **labels: str) -> "World":
        """A page: where *up* is 1 it is read, where 0 its verdict is *bad*, NaN nobody looked."""
        course = up if callable(up) else (lambda t, level=up: np.full(len(t), level))
        good = lambda t: np.where(course(t) == 1.0, 1.0, np.nan)  # noqa: E731
        ill = lambda t: np.where(course(t) == 0.0, 0.0, np.nan)  # noqa: E731
        self.put(signals.TARGET_UP, good, verdict=verdict, **labels)
        self.put(signals.TARGET_UP, ill, verdict=bad, **labels)
        return self

    def gpu(self, uuid: str, replica: str = "", node: str = "node-1", **courses: Any) -> "World":
        """A GPU at work, held by *replica*."""
        about = {"gpu": uuid, "node": node}
        self.put(signals.GPU_UTILIZATION, courses.pop("utilization", 0.95), **about)
        self.put(signals.GPU_SM_CLOCK, courses.pop("clock", noisy(1.98e9, 0.005, 9)), **about)
        self.put(signals.GPU_TEMPERATURE, courses.pop("temperature", 65.0), **about)
        self.put(signals.GPU_POWER, courses.pop("power", 600.0), **about)
        for reason, course in courses.pop("throttled", {}).items():
            self.put(signals.GPU_THROTTLED, course, reason=reason, **about)
        if replica:
            pool = courses.pop("pool", "chat")
            self.put(signals.GPU_ALLOCATION, 1.0, replica=replica, pool=pool, model="m", **about)
        assert not courses, f"no such course: {courses}"
        return self

    def gateway(self, model: str = "chat-model", **courses: Any) -> "World":
        """A gateway that passes four calls a second on to *model*, each tried once."""
        about = {"model": model}
        attempts = courses.pop("attempts", noisy(4.0, 0.05, 11))
        self.put(signals.GATEWAY_ATTEMPT_RATE, attempts, **about)
        self.put(signals.GATEWAY_OPERATION_RATE, courses.pop("operations", attempts), **about)
        self.put(signals.GATEWAY_IN_FLIGHT, courses.pop("in_flight", 20.0), **about)
        for name, signal in (
            ("attempt_errors", signals.GATEWAY_ATTEMPT_ERROR_RATE),
            ("errors", signals.GATEWAY_ERROR_RATE),
            ("fallbacks", signals.GATEWAY_FALLBACK_RATE),
        ):
            if name in courses:
                self.put(signal, courses.pop(name), **about)
        assert not courses, f"no such course: {courses}"
        up = {"target": "http://gateway", "vantage": "gateway", "engine": "litellm"}
        return self.target(1.0, **up)

    def tenant(self, name: str, model: str = "chat-model", **courses: Any) -> "World":
        """A tenant's calls, tokens and dollars; a dollar buys 600 tokens a second for an hour."""
        about = {"tenant": name, "model": model}
        self.put(signals.TENANT_SPEND, courses.pop("spend", 10.0), **about)
        self.put(signals.TENANT_CALL_RATE, courses.pop("calls", 1.0), **about)
        self.put(signals.TENANT_INPUT_RATE, courses.pop("input", 1000.0), **about)
        self.put(signals.TENANT_OUTPUT_RATE, courses.pop("output", 200.0), **about)
        assert not courses, f"no such course: {courses}"
        return self

    def frame(self, watch: Watch, now: float | None = None) -> Frame:
        """What a store would answer."""
        end = (self.now if now is None else now) - watch.until
        columns = round(watch.lookback / watch.step)
        times = end - watch.step * np.arange(columns, -1.0, -1.0)
        rows = {
            labels: np.array(course(times), dtype=np.float64)
            for (signal, labels), course in self.courses.items()
            if signal == watch.signal
        }
        missing = np.zeros(len(times), dtype=bool)
        for start, stop in self.gaps:
            missing |= (times >= start) & (times < stop)
        rows = {labels: np.where(missing, np.nan, row) for labels, row in rows.items()}
        rows = {labels: row for labels, row in rows.items() if np.isfinite(row).any()}
        if not rows:
            return empty_frame(times)
        return Frame(tuple(rows), times, np.vstack(list(rows.values())))

    def scene(self, fleet: FleetView | None = None, since: float = 0.0) -> Scene:
        """The scene at *now*; the fleet has been watched for *since* seconds before."""
        view = fleet or FleetView()
        for change in self.changes:
            view.add_change(change)
        for moment in np.arange(self.now - since, self.now + 1.0, 15.0):
            view.update(lambda watch, at=moment: self.frame(watch, at), float(moment))
        return Scene(
            now=self.now,
            frame=self.frame,
            replicas=view.replicas(),
            gpus=view.gpus(),
            changes=view.changes(),
            troubled=self.troubled,
        )
