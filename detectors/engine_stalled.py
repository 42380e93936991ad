"""An engine has work and takes no step, while its page and its health check answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import middle, newest, say, span
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

STEPS = Watch(signals.STEP_RATE, 900.0, 15.0)
ENGINE_TOKENS = Watch(signals.ENGINE_TOKEN_RATE, 900.0, 15.0)
STEP_TOKENS = Watch(signals.STEP_TOKEN_RATE, 900.0, 15.0)
FINISHED = Watch(signals.FINISHED_RATE, 900.0, 15.0)
RUNNING = Watch(signals.RUNNING, 900.0, 15.0)
WAITING = Watch(signals.WAITING, 900.0, 15.0)
IN_FLIGHT = Watch(signals.GATEWAY_IN_FLIGHT, 900.0, 15.0)
HEARTBEATS = (STEPS, ENGINE_TOKENS, STEP_TOKENS)


@dataclass(frozen=True, slots=True)
class EngineStalled(Detector):
    """The engine is stalled: work is queued and its step counter stands still.

    The judgement is the fleet's (a counter that must move and provably does not; where only
    finished requests are counted, a silence longer than they take). Gauges that were left behind
    by aborted requests look alike (vllm#29928): where nothing waits and the gateway has nothing in
    flight for the model, this is said quietly.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ENGINE_STALLED
    watches: ClassVar[tuple[Watch, ...]] = (
        *(STEPS, ENGINE_TOKENS, STEP_TOKENS, FINISHED, RUNNING, WAITING, IN_FLIGHT),
    )

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every stalled replica."""
        for replica in scene.replicas:
            if replica.state is ReplicaState.STALLED:
                yield self._finding(scene, replica)

    def _finding(self, scene: Scene, replica: Replica) -> Finding:
        running, waiting = (_newest(scene, watch, replica) for watch in (RUNNING, WAITING))
        in_flight = scene.frame(IN_FLIGHT).row(model=replica.model)
        left_behind = in_flight is not None and newest(in_flight) == 0.0 and not waiting > 0.0
        evidence = [self._heartbeat(scene, replica), self._work(scene, replica, running, waiting)]
        if left_behind:
            evidence.append(
                say(
                    IN_FLIGHT, replica.entity, replica.since, scene.now,
                    "The gateway has nothing in flight for the model: the engine's gauges may be"
                    " left over from aborted requests.",
                    observed=0.0, against=True,
                )
            )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=replica.entity,
            since=replica.since,
            at=scene.now,
            severity=Severity.WARNING if left_behind else Severity.CRITICAL,
            confidence=0.4 if left_behind else 0.95 if _counts_steps(scene, replica) else 0.8,
            evidence=tuple(evidence),
            text=f"{replica.entity.label} has {_undone(scene, replica)} for"
            f" {scene.now - replica.since:.0f} s with {_count(running)} running and"
            f" {_count(waiting)} waiting.",
            pool=replica.pool,
            model=replica.model,
        )

    def _heartbeat(self, scene: Scene, replica: Replica) -> Evidence:
        known = (one for one in HEARTBEATS if _row(scene, one, replica) is not None)
        watch = next(known, FINISHED)
        what = "request finished" if watch is FINISHED else "step"
        frame = scene.frame(watch)
        row = _row(scene, watch, replica)
        usual = float("nan") if row is None else middle(span(frame.times, row, 0.0, replica.since))
        return say(
            watch, replica.entity, replica.since, scene.now,
            f"No {what} since then; {usual:.3g} {watch.signal.unit} before."
            if np.isfinite(usual) else f"No {what} since then.",
            observed=0.0, expected=usual, lower=0.0 if not usual > 0.0 else usual / 10.0,
        )  # fmt: skip

    def _work(self, scene: Scene, replica: Replica, running: float, waiting: float) -> Evidence:
        watch = WAITING if waiting > 0.0 else RUNNING
        return say(
            watch, replica.entity, replica.since, scene.now,
            f"{_count(running)} requests in the batch and {_count(waiting)} in the queue all that"
            " time.",
            observed=waiting if waiting > 0.0 else running,
        )  # fmt: skip


def _counts_steps(scene: Scene, replica: Replica) -> bool:
    return any(_row(scene, watch, replica) is not None for watch in HEARTBEATS)


def _undone(scene: Scene, replica: Replica) -> str:
    return "taken no step" if _counts_steps(scene, replica) else "finished and moved nothing"


def _row(scene: Scene, watch: Watch, replica: Replica) -> Array | None:
    return scene.frame(watch).row(replica=replica.entity.id)


def _newest(scene: Scene, watch: Watch, replica: Replica) -> float:
    row = _row(scene, watch, replica)
    return newest(row) if row is not None else float("nan")


def _count(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "an unknown number"
