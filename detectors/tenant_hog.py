"""One tenant takes most of a pool, and the others wait for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, middle, pool_of, say, span
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
INPUT = Watch(signals.TENANT_INPUT_RATE, LOOKBACK, 60.0, every=60.0)
OUTPUT = Watch(signals.TENANT_OUTPUT_RATE, LOOKBACK, 60.0, every=60.0)
CALLS = Watch(signals.TENANT_CALL_RATE, LOOKBACK, 60.0, every=60.0)
TTFT = Watch(signals.TTFT_MEAN, LOOKBACK, 60.0, every=60.0)
WAITING = Watch(signals.WAITING, LOOKBACK, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class TenantHog(Detector):
    """One tenant's share of a pool's tokens jumps above half while others wait longer.

    Calls count as well as tokens: once callers give up, tokens of what failed are booked nowhere.
    A tenant that always had most of a pool is its owner; one that takes half of an idle pool takes
    nothing from anybody. A nightly batch that comes every night is expected by its share of the
    same hour in the days before, as far as that is known.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.TENANT_HOG
    watches: ClassVar[tuple[Watch, ...]] = (INPUT, OUTPUT, CALLS, TTFT, WAITING)

    share: float = 0.5
    """Of the pool's tokens; from here the others together are the smaller part."""
    grown: float = 0.2
    """How much of the pool it must have taken over."""
    more: float = 1.3
    """What it takes over before: a share that grows because others leave takes from nobody."""
    later: float = 1.5
    """First tokens of the pool over before, or else there is a queue."""
    recent_seconds: float = 600.0
    """The newest stretch that is judged."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant that crowds the others out."""
        times = scene.frame(INPUT).times
        for model in sorted({labels.get("model", "") for labels, _ in scene.frame(INPUT).rows()}):
            by_tokens, by_calls = _shares(scene, model, INPUT, OUTPUT), _shares(scene, model, CALLS)
            for tenant in sorted(by_tokens) if model and len(by_tokens) > 1 else ():
                shifts = [
                    self._taken_over(scene, times, tenant, *rows[tenant])
                    for rows in (by_tokens, by_calls)
                    if tenant in rows
                ]
                most = max(filter(None, shifts), key=lambda one: one.after, default=None)
                finding = self._judge(scene, tenant, model, most) if most is not None else None
                if finding is not None:
                    yield finding

    def _taken_over(
        self, scene: Scene, times: Array, tenant: str, row: Array, own: Array
    ) -> Shift | None:
        recent = span(times, row, scene.now - self.recent_seconds, scene.now)
        if not (recent >= self.share).any():
            return None  # its mean cannot be, either
        ill = scene.troubled.get(f"tenant/{tenant}", ())
        shift = shifted(times, row, recent=self.recent_seconds, now=scene.now, ill=ill)
        if shift is None or shift.after < self.share:
            return None
        before = middle(span(times, own, float(times[0]), shift.since - 60.0))
        now = middle(span(times, own, scene.now - self.recent_seconds, scene.now))
        if before > 0.0 and now < self.more * before:
            return None  # the others went away; nobody took anything from them
        return shift if shift.after - shift.before >= self.grown else None

    def _judge(self, scene: Scene, tenant: str, model: str, shift: Shift) -> Finding | None:
        pool = pool_of(scene, model)
        if not pool:
            return None
        since, before, after = shift.since, shift.before, shift.after
        later = _later(scene, pool, since)
        queue = _queue(scene, pool, scene.now - self.recent_seconds)
        if not (later >= self.later or queue >= 1.0):
            return None
        entity = identity.tenant(tenant)
        harm = f"first tokens come {later:.1f} times as late" if later >= self.later else (
            f"{queue:.0f} requests wait"
        )  # fmt: skip
        text = f"{tenant} takes {after:.0%} of {model}, {before:.0%} before, and {harm}."
        evidence = say(
            INPUT, entity, since, scene.now, text,
            observed=after, expected=before, upper=self.share,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=model,
            tenant=tenant,
            related=(identity.pool(pool),),
        )


def _shares(scene: Scene, model: str, *watches: Watch) -> dict[str, tuple[Array, Array]]:
    """Each tenant's share of what *watches* count of *model*, and what it takes itself."""
    taken: dict[str, Array] = {}
    for watch in watches:
        for labels, row in scene.frame(watch).where(model=model).rows():
            tenant = labels.get("tenant", "")
            if tenant:
                taken[tenant] = taken.get(tenant, np.zeros(len(row))) + np.nan_to_num(row)
    total = sum(taken.values(), np.zeros(len(scene.frame(INPUT).times)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            name: (np.where(total > 0.0, row / total, np.nan), row) for name, row in taken.items()
        }


def _later(scene: Scene, pool: str, since: float) -> float:
    """First tokens of the pool's replicas, since a moment over before; NaN when not known."""
    times = scene.frame(TTFT).times
    found = []
    for _labels, row in scene.frame(TTFT).where(pool=pool).rows():
        before = middle(span(times, row, float(times[0]), since - 60.0))
        after = middle(span(times, row, max(since, scene.now - 600.0), scene.now))
        if before > 0.0 and np.isfinite(after):
            found.append(after / before)
    return float(np.median(found)) if found else float("nan")


def _queue(scene: Scene, pool: str, since: float) -> float:
    """Requests waiting per replica of the pool; 0 when not known."""
    times = scene.frame(WAITING).times
    found = [average(span(times, row, since, scene.now))
             for _labels, row in scene.frame(WAITING).where(pool=pool).rows()]  # fmt: skip
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else 0.0
