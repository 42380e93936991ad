"""Engines work on requests that nobody waits for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, by, middle, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 3600.0
RUNNING = Watch(signals.RUNNING, LOOKBACK, 30.0, every=30.0)
WAITING = Watch(signals.WAITING, LOOKBACK, 30.0, every=30.0)
IN_FLIGHT = Watch(signals.GATEWAY_IN_FLIGHT, LOOKBACK, 30.0, every=30.0)
FINISHED = Watch(signals.FINISHED_RATE, LOOKBACK, 30.0, every=30.0)
WORKING = frozenset({ReplicaState.SERVING, ReplicaState.SATURATED})


@dataclass(frozen=True, slots=True)
class ZombieRequests(Detector):
    """More requests run in engines than the gateway waits for, unlike before.

    A caller that hangs up should end its request; where the scheduler never hears of it the request
    decodes on to its limit. Long answers are in flight at the gateway as well, and calls past the
    gateway finish like any other: only a replica that holds more and finishes no more is this. A
    retry storm leaves the same behind and is told by its retries.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ZOMBIE_REQUESTS
    watches: ClassVar[tuple[Watch, ...]] = (
        RUNNING, WAITING, IN_FLIGHT, FINISHED, *_gateway.WATCHES,
    )  # fmt: skip

    least_excess: float = 4.0
    """Requests beyond what is in flight."""
    share: float = 0.15
    """The same as a share of what is in flight."""
    hold_seconds: float = 300.0
    """How long it must last: gauges of two pages are never of one moment."""
    times_longer: float = 1.5
    """Requests held for each that finishes, over the siblings'."""
    own_share: float = 0.4
    """Of the excess, what a replica named for it must hold itself."""
    retries: float = 1.3
    """Attempts for each call from which retries explain it."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """The replicas that hold what nobody waits for."""
        excess, waited = self._excess(scene)
        if excess is None or waited is None:
            return
        times, begin = scene.frame(RUNNING).times, scene.now - self.hold_seconds
        lately = span(times, excess, begin, scene.now)
        least = max(self.least_excess, self.share * average(span(times, waited, begin, scene.now)))
        usual = middle(span(times, excess, 0.0, begin - self.hold_seconds))
        if not np.isfinite(lately).any() or not np.nanmean(lately >= least) >= 0.9:
            return
        if not usual <= 0.3 * average(lately):
            return
        since = min(run_start(times, excess, excess >= 0.5 * least) or begin, begin)
        for one in self._holders(scene, begin, self.own_share * average(lately)):
            if not self._retried(scene, one, begin):
                yield self._finding(scene, one, since, average(lately), least)

    def _excess(self, scene: Scene) -> tuple[Array | None, Array | None]:
        """Requests inside engines beyond those in flight at the gateways, and the latter."""
        flights, running = scene.frame(IN_FLIGHT), by(scene.frame(RUNNING), "replica")
        if flights.empty or not running:
            return None, None
        waiting = by(scene.frame(WAITING), "replica")
        inside = np.nansum(np.vstack([*running.values(), *waiting.values()]), axis=0)
        waited = np.nansum(flights.values, axis=0)
        known = np.isfinite(flights.values).any(axis=0)
        return np.where(known, inside - waited, np.nan), np.where(known, waited, np.nan)

    def _holders(self, scene: Scene, begin: float, least: float) -> Iterable[Replica]:
        """Replicas that hold *least* requests more than theirs usually stay, and much longer."""
        running, finished = (by(scene.frame(one), "replica") for one in (RUNNING, FINISHED))
        times = scene.frame(RUNNING).times

        def flow(one: Replica, start: float, end: float) -> tuple[float, float]:
            held = average(span(times, running[one.entity.id], start, end))
            return held, average(span(times, finished[one.entity.id], start, end))

        def stay(one: Replica, start: float, end: float) -> float:
            held, made = flow(one, start, end)
            return held / made if made > 0.0 else float("inf")

        told = [
            one
            for one in scene.replicas
            if one.state in WORKING and one.entity.id in running and one.entity.id in finished
        ]
        for one in told:
            others = [stay(it, begin, scene.now) for it in told if it is not one
                      and it.pool == one.pool]  # fmt: skip
            before = stay(one, float(times[0]), begin - self.hold_seconds)
            normal = min([before, *([middle(np.array(others))] if others else [])])
            held, made = flow(one, begin, scene.now)
            longer = held >= self.times_longer * normal * made
            if longer and held - normal * made >= least:
                yield one

    def _retried(self, scene: Scene, one: Replica, begin: float) -> bool:
        seen = _gateway.traffic(scene, one.model, one.pool)
        tries = average(span(seen.times, seen.attempts, begin, scene.now))
        calls = average(span(seen.times, seen.operations, begin, scene.now))
        return bool(tries >= self.retries * calls)

    def _finding(
        self, scene: Scene, one: Replica, since: float, excess: float, least: float
    ) -> Finding:
        text = (
            f"Engines hold {excess:.0f} requests more than the gateway waits for; "
            f"{one.entity.label} holds requests longest for those it finishes."
        )
        evidence = say(
            RUNNING, one.entity, since, scene.now, text, observed=excess, expected=0.0, upper=least
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.75,
            evidence=(evidence,),
            text=text,
            pool=one.pool,
            model=one.model,
        )
