"""Answers of one tenant became several times as long."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from detectors._evidence import average, say, span
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

LOOKBACK = 21_600.0
CALLS = Watch(signals.TENANT_OPERATION_RATE, LOOKBACK, 120.0, every=60.0)
LENGTH = Watch(signals.TENANT_ANSWER_LENGTH, LOOKBACK, 120.0, every=60.0)


@dataclass(frozen=True, slots=True)
class RunawayOutput(Detector):
    """Answers of one tenant to one model run several times as long as before.

    A missing stop token or a repetition does it. A pool that was given another model has other
    lengths for good, and is left alone for a day.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.RUNAWAY_OUTPUT
    watches: ClassVar[tuple[Watch, ...]] = (CALLS, LENGTH)

    times_longer: float = 2.0
    """Tokens per answer over before; threefold and more is reported for runaways."""
    recent_seconds: float = 720.0
    """The newest stretch that is judged."""
    least_calls: float = 30.0
    """Calls in it: one long answer is no habit."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose answers ran away."""
        times = scene.frame(CALLS).times
        swapped = {change.pool for change in scene.changes if change.kind == "model"}
        for labels, length in scene.frame(LENGTH).rows():
            tenant, model = labels.get("tenant", ""), labels.get("model", "")
            calls = scene.frame(CALLS).row(tenant=tenant, model=model)
            pools = {one.pool for one in scene.replicas if model in {one.model, one.pool}}
            if not tenant or calls is None or pools & swapped:
                continue
            recent = span(times, calls, scene.now - self.recent_seconds, scene.now)
            if not average(recent) * self.recent_seconds >= self.least_calls:
                continue
            ill = scene.troubled.get(f"tenant/{tenant}", ())
            shift = shifted(
                times, length, recent=self.recent_seconds, now=scene.now, ill=ill,
                least=self.times_longer,
            )  # fmt: skip
            if shift is not None and shift.ratio >= self.times_longer:
                yield self._finding(scene, tenant, model, pools, shift)

    def _finding(
        self, scene: Scene, tenant: str, model: str, pools: set[str], shift: Shift
    ) -> Finding:
        entity = identity.tenant(tenant)
        text = (
            f"Answers of {model} to {entity.label} run to {shift.after:.0f} tokens, "
            f"{shift.before:.0f} before."
        )
        evidence = say(
            LENGTH, entity, shift.since, scene.now, text,
            observed=shift.after, expected=shift.before, upper=self.times_longer * shift.before,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=shift.since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=(evidence,),
            text=text,
            pool=min(pools - {""}, default=""),
            model=model,
            tenant=tenant,
            related=tuple(identity.pool(pool) for pool in sorted(pools - {""})),
        )
