"""Far more calls fail than chance and habit explain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import say, without
from estimators.bursts import Burst, dispersion, share_burst
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 7200.0
ERRORS = Watch(signals.GATEWAY_ERROR_RATE, LOOKBACK, 60.0)
OPERATIONS = Watch(signals.GATEWAY_OPERATION_RATE, LOOKBACK, 60.0)
FAILED = Watch(signals.FAILED_RATE, LOOKBACK, 60.0)
FINISHED = Watch(signals.FINISHED_RATE, LOOKBACK, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One entity's failed and all calls a second."""

    entity: Entity
    pool: str
    model: str
    bad: Array
    total: Array
    watch: Watch
    users: bool
    """As users felt them, at the gateway."""


@dataclass(frozen=True, slots=True)
class ErrorBurst(Detector):
    """A burst of errors, at the gateway or in an engine.

    Counts are compared, not rates: three failures in four calls at night prove little, three
    hundred in four thousand prove much. Pages only for what users felt, at a burn rate of the
    error budget that the SRE workbook pages for.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ERROR_BURST
    watches: ClassVar[tuple[Watch, ...]] = (ERRORS, OPERATIONS, FAILED, FINISHED)

    recent_seconds: float = 300.0
    """The newest stretch that is judged."""
    least_failures: float = 20.0
    """Failures in it: below, one bad minute of one client decides."""
    least_share: float = 0.02
    """Share of calls that fail, at its lower confidence end."""
    times_habit: float = 3.0
    """By how much that end must exceed what habit explains."""
    chance: float = 1e-6
    """Probability of such a burst by chance: one false one in years of minutes."""
    budget: float = 0.01
    """Error budget of the objective, 99 %."""
    paging_burn: float = 14.4
    """Multiple of the sustainable burn that wakes somebody (Google SRE workbook, ch. 5)."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every entity in a burst."""
        times = scene.frame(OPERATIONS).times
        for course in (*_at_gateway(scene), *_in_engines(scene)):
            finding = self._judge(scene, times, course)
            if finding is not None:
                yield finding

    def _judge(self, scene: Scene, times: Array, course: Course) -> Finding | None:
        recent = times > scene.now - self.recent_seconds
        bad, total = _count(course.bad[recent]), _count(course.total[recent])
        if bad < self.least_failures:
            return None
        troubled = [
            span
            for name in (str(course.entity), f"pool/{course.pool}", course.pool, course.model)
            for span in scene.troubled.get(name, ())
        ]
        habit = times < scene.now - 2.0 * self.recent_seconds
        bad_before = without(times, course.bad, troubled)[habit]
        total_before = without(times, course.total, troubled)[habit]
        noise = dispersion(bad_before * 60.0, total_before * 60.0)
        burst = share_burst(bad, total, _count(bad_before), _count(total_before), min(noise, 10.0))
        if burst is None or not self._counts(burst):
            return None
        return self._finding(scene, times, course, burst)

    def _counts(self, burst: Burst) -> bool:
        return (
            burst.p_value < self.chance
            and burst.lower >= self.least_share
            and burst.lower >= min(self.times_habit * burst.expected, 0.5)
        )

    def _finding(self, scene: Scene, times: Array, course: Course, burst: Burst) -> Finding:
        share = np.where(course.total > 0.0, course.bad / np.maximum(course.total, 1e-12), np.nan)
        edge = (burst.expected + burst.share) / 2.0
        since = run_start(times, share, share > edge) or float(times[-1] - self.recent_seconds)
        loud = course.users and burst.share >= self.paging_burn * self.budget
        where = "users' calls to" if course.users else "requests in"
        text = (
            f"{burst.share:.0%} of {where} {course.entity.label} fail, {burst.expected:.1%} before."
        )
        evidence = say(
            course.watch, course.entity, since, scene.now, text,
            observed=float(course.bad[-1]),
            expected=burst.expected * float(course.total[-1]),
            upper=burst.upper * float(course.total[-1]),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=course.entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if loud else Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=course.pool,
            model=course.model,
        )


def _at_gateway(scene: Scene) -> Iterable[Course]:
    failed = scene.frame(ERRORS)
    for labels, total in scene.frame(OPERATIONS).rows():
        model = labels.get("model", "")
        pools = sorted({r.pool for r in scene.replicas if model in {r.model, r.pool}} - {""})
        pool = pools[0] if pools else ""
        entity = identity.pool(pool) if pool else identity.route(model)
        yield Course(entity, pool, model, _bad(failed.row(model=model), total), total, ERRORS, True)


def _in_engines(scene: Scene) -> Iterable[Course]:
    failed = scene.frame(FAILED)
    for labels, total in scene.frame(FINISHED).rows():
        name = labels.get("replica", "")
        if name:
            bad = _bad(failed.row(replica=name), total)
            entity = identity.replica(name)
            pool, model = labels.get("pool", ""), labels.get("model", "")
            yield Course(entity, pool, model, bad, total, FAILED, False)


def _bad(row: Array | None, total: Array) -> Array:
    """A status that never occurred has no series: while calls are counted it is zero."""
    zero = np.where(np.isfinite(total), 0.0, np.nan)
    return zero if row is None else np.where(np.isfinite(row), row, zero)


def _count(rates: Array) -> float:
    """Events in columns a minute apart."""
    return float(np.nansum(rates) * 60.0)
