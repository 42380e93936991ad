"""First tokens come too late so often that the month's error budget will not last."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import newest, say
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 21_600.0
STEP = 60.0
LATE = Watch(signals.FIRST_TOKENS_LATE, LOOKBACK, STEP, every=STEP)
RATE = Watch(signals.FIRST_TOKEN_RATE, LOOKBACK, STEP, every=STEP)
GATEWAY_LATE = Watch(signals.GATEWAY_FIRST_TOKENS_LATE, LOOKBACK, STEP, every=STEP)
GATEWAY_RATE = Watch(signals.GATEWAY_FIRST_TOKEN_RATE, LOOKBACK, STEP, every=STEP)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Late share and rate of one model's first tokens, minute by minute."""

    entity: Entity
    pool: str
    model: str
    watch: Watch
    late: Array
    rate: Array


@dataclass(frozen=True, slots=True)
class LatencyBurn(Detector):
    """First tokens come late so often that the month's error budget will not last.

    Two windows burn at once: the long one says that it matters, the short one that it goes on.
    Windows and factors are those of the Site Reliability Workbook, chapter 5, for an objective
    over thirty days. The gateway speaks where there is one, for it sees what users see.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.LATENCY_BURN
    watches: ClassVar[tuple[Watch, ...]] = (LATE, RATE, GATEWAY_LATE, GATEWAY_RATE)

    objective: float = 0.99
    """Share of first tokens that must come in time. Our judgement; yours is better."""
    fast_burn: float = 14.4
    """Multiple of the sustainable burn over an hour and five minutes: two per cent of the budget
    in that hour."""
    slow_burn: float = 6.0
    """Multiple over six hours and thirty minutes: five per cent in those six hours."""
    least_requests: float = 100.0
    """First tokens in the long window: of fewer, one slow request is the whole budget."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every model whose budget burns."""
        for course in _courses(scene):
            times = scene.frame(course.watch).times
            for factor, long, short in (
                (self.fast_burn, 3600.0, 300.0),
                (self.slow_burn, LOOKBACK, 1800.0),
            ):
                share, count = _share(times, course, scene.now - long)
                lately, _ = _share(times, course, scene.now - short)
                edge = factor * (1.0 - self.objective)
                burning = share > edge and lately > edge and newest(course.late) > edge
                if burning and count >= self.least_requests:
                    yield self._finding(scene, times, course, share, edge, long)
                    break

    def _finding(
        self, scene: Scene, times: Array, course: Course, share: float, edge: float, long: float
    ) -> Finding:
        since = run_start(times, course.late, course.late > edge) or scene.now - 300.0
        burn = share / (1.0 - self.objective)
        text = (
            f"{share:.0%} of the first tokens of {course.entity.label} came after "
            f"{signals.LATE_SECONDS:g} s over {long / 3600.0:g} h: the month's budget goes "
            f"{burn:.0f} times too fast."
        )
        evidence = say(
            course.watch, course.entity, since, scene.now, text,
            observed=newest(course.late), expected=1.0 - self.objective, upper=edge,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=course.entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=course.pool,
            model=course.model,
        )


def _courses(scene: Scene) -> Iterable[Course]:
    spoken: set[str] = set()
    for labels, rate in scene.frame(GATEWAY_RATE).rows():
        model = labels.get("model", "")
        late = scene.frame(GATEWAY_LATE).row(model=model)
        if late is not None and model:
            pools = sorted({r.pool for r in scene.replicas if model in {r.model, r.pool}} - {""})
            pool = pools[0] if pools else ""
            entity = identity.pool(pool) if pool else identity.route(model)
            spoken.update((model, pool))
            yield Course(entity, pool, model, GATEWAY_LATE, late, rate)
    for labels, rate in scene.frame(RATE).rows():
        pool, model = labels.get("pool", ""), labels.get("model", "")
        late = scene.frame(LATE).row(pool=pool, model=model)
        if late is not None and pool and not {pool, model} & spoken:
            yield Course(identity.pool(pool), pool, model, LATE, late, rate)


def _share(times: Array, course: Course, since: float) -> tuple[float, float]:
    """Share of late first tokens since a moment, and how many first tokens there were."""
    inside = (times > since) & np.isfinite(course.late) & np.isfinite(course.rate)
    counts = course.rate[inside] * STEP
    total = float(counts.sum())
    late = float((course.late[inside] * counts).sum())
    return (late / total if total > 0.0 else 0.0), total
